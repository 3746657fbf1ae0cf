import AnomalyModel

extension Schema {
    /// First words of names that are ours, or will be.
    private static let ourFirstWords = ["arp", "daemon", "gso", "script", "tun"]

    static func settings(ofScript name: String, at index: Int) -> [Setting] {
        let section = "Script \(name)"
        return [
            Setting(section, "Path", .absolutePath, \.scripts[index].path),
            Setting(section, "Enabled", .boolean, \.scripts[index].isEnabled),
            Setting(section, "Arguments", .arguments, \.scripts[index].arguments),
            Setting(section, "Priority", .priority, \.scripts[index].priority),
            Setting(section, "KeyFields", .keyFields, \.scripts[index].keyFields),
            Setting(section, "DedupIntervalSec", .timeSpan(dedupInterval), \.scripts[index].dedupIntervalNanoseconds),
            Setting(
                section, "RateLimitIntervalSec", .timeSpan(rateLimitInterval),
                \.scripts[index].rateLimitIntervalNanoseconds),
            Setting(section, "RateLimitBurst", .count(rateLimitBurst), \.scripts[index].rateLimitBurst),
        ]
    }

    /// Refuses a name that is none, that is ours, or whose rules could be taken for another script's.
    func judge(scriptName name: String) throws(Complaint) {
        guard isScriptWord(name, joinedBy: "-") else {
            throw Complaint(
                "expected the name of a script: a lower-case letter, then at most 39 lower-case letters, digits and "
                    + "hyphens, found \(quoted(name))")
        }
        let ours = rules.flatMap { [$0.name.text, $0.detector.text] }
        let firstWord = name.prefix { $0 != "-" }
        let isOurs = ours.contains { $0 == name || $0.hasPrefix("\(name)-") }
        if isOurs || Self.ourFirstWords.contains(String(firstWord)) {
            throw Complaint("\(quoted(name)) is a name of the daemon's own, choose another for the script")
        }
        if let other = scripts.first(where: { $0.hasPrefix("\(name)-") || name.hasPrefix("\($0)-") }) {
            throw Complaint("rules of script \(quoted(name)) could be taken for those of [Script \(other)]")
        }
        guard scripts.count < ScriptSettings.maximumCount else {
            throw Complaint("expected at most \(ScriptSettings.maximumCount) scripts")
        }
    }
}
