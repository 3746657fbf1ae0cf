/// One setting as it is in force.
public struct EffectiveSetting: Sendable, Equatable {
    /// Without brackets: `Limits`, `Rule gso-tiny-size`.
    public let section: String
    /// `DedupIntervalSec`.
    public let key: String
    /// As a file would say it; empty where a rule follows `[Limits]` or chooses its own priority.
    public let value: String
    /// `FILE:LINE`, or `default`.
    public let origin: String
}

extension Configuration {
    /// The configuration as text that reads back as the same: each value under a comment with its origin.
    public var dump: String {
        var text = ""
        var section = ""
        for setting in settings where !setting.value.isEmpty {
            if setting.section != section {
                section = setting.section
                text += "\(text.isEmpty ? "" : "\n")[\(section)]\n"
            }
            text += "# \(setting.origin)\n\(setting.key)=\(setting.value)\n"
        }
        return text
    }

    /// What a reload from this configuration to another changes, such as `[Limits] DedupIntervalSec: 1min -> 30s`.
    ///
    /// - Parameter other: A configuration of the same rules.
    /// - Returns: One line for each setting whose value differs; empty if both say the same.
    public func changes(to other: Configuration) -> [String] {
        // A list may have thousands of entries; the lines stand in one journal field.
        func shown(_ value: String) -> String { value.isEmpty ? "not set" : shortened(value, to: 200) }
        return pairs(with: other).compactMap { old, new in
            guard let setting = old ?? new, old?.value ?? "" != new?.value ?? "" else { return nil }
            // Of a script that comes or goes, only what the files say.
            if old == nil || new == nil, setting.origin == "default" { return nil }
            return "[\(setting.section)] \(setting.key): \(shown(old?.value ?? "")) -> \(shown(new?.value ?? ""))"
        }
    }

    /// Settings of the same name; those that only one of both has, which are scripts', are alone.
    private func pairs(with other: Configuration) -> [(old: EffectiveSetting?, new: EffectiveSetting?)] {
        func name(_ setting: EffectiveSetting) -> [String] { [setting.section, setting.key] }
        let news = Dictionary(uniqueKeysWithValues: other.settings.map { (name($0), $0) })
        let olds = Set(settings.map(name))
        return settings.map { ($0, news[name($0)]) }
            + other.settings.filter { !olds.contains(name($0)) }.map { (nil, $0) }
    }
}
