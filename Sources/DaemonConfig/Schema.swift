import AnomalyModel

/// One key of one section.
struct Setting {
    /// Enters a checked value.
    typealias Change = (inout Draft) -> Void

    let section: String
    let key: String
    /// Checks a value that is not empty.
    let parse: (String) throws(Complaint) -> Change
    /// The value as a file would say it; empty where nothing is set and another setting or the rule decides.
    let text: (Draft) -> String

    init<Value>(_ section: String, _ key: String, _ syntax: Syntax<Value>, _ path: WritableKeyPath<Draft, Value>) {
        self.section = section
        self.key = key
        parse = { text throws(Complaint) in
            let value = try syntax.parse(text)
            return { $0[keyPath: path] = value }
        }
        text = { syntax.text($0[keyPath: path]) }
    }

    init<Value>(_ section: String, _ key: String, _ syntax: Syntax<Value>, _ path: WritableKeyPath<Draft, Value?>) {
        self.section = section
        self.key = key
        parse = { text throws(Complaint) in
            let value = try syntax.parse(text)
            return { $0[keyPath: path] = value }
        }
        text = { $0[keyPath: path].map(syntax.text) ?? "" }
    }
}

/// All sections and keys there are, in the order in which they are listed.
struct Schema {
    /// The detector whose rules have a sender's addresses to go by.
    private static let arp = DetectorName("arp")

    /// Sections with a detector's switch.
    private static let detectorSections: [(name: String, detector: DetectorName)] = [
        ("ARP", arp),
        ("TunGSO", DetectorName("tun-gso")),
    ]

    /// A year: sums with the clock stay far from overflow.
    private static let accountingInterval = TimeSpan.second...(365 * TimeSpan.day)
    /// What is older than an hour tells nobody that the daemon is there.
    private static let metricsInterval = TimeSpan.second...TimeSpan.hour
    static let dedupInterval = 0...TimeSpan.day
    /// A burst of 100000 in a millisecond still leaves 10 ns to each entry: no division by it is one by zero.
    static let rateLimitInterval = TimeSpan.millisecond...TimeSpan.hour
    static let rateLimitBurst: ClosedRange<UInt32> = 1...100_000
    /// Kernel memory for all keys is taken at the start: more than a million is a slip of the finger.
    private static let maxKeys: ClosedRange<UInt32> = 16...1_048_576
    /// 32 KiB for a host with a few neighbours to 32 MiB of kernel memory for each detector.
    private static let maxMemory: ClosedRange<UInt32> = 1024...1_048_576

    private(set) var settings: [Setting]
    let rules: [Rule]
    /// Names of the scripts that the files have named so far; their settings come last.
    private(set) var scripts: [String] = []

    init(rules: [Rule]) {
        self.rules = rules
        var settings = [
            Setting("Daemon", "Backend", .backend, \.backend),
            Setting("Daemon", "BpftracePath", .absolutePath, \.bpftracePath),
            Setting(
                "Daemon", "AccountingIntervalSec", .timeSpan(Self.accountingInterval, orZero: true),
                \.accountingIntervalNanoseconds),
            Setting("Limits", "DedupIntervalSec", .timeSpan(Self.dedupInterval), \.limits.dedupIntervalNanoseconds),
            Setting(
                "Limits", "RateLimitIntervalSec", .timeSpan(Self.rateLimitInterval),
                \.limits.rateLimitIntervalNanoseconds),
            Setting("Limits", "RateLimitBurst", .count(Self.rateLimitBurst), \.limits.rateLimitBurst),
            Setting("Limits", "MaxKeys", .count(Self.maxKeys), \.limits.maxKeys),
            Setting("Limits", "MaxMemory", .count(Self.maxMemory), \.limits.maxMemory),
        ]
        settings += Self.trustSettings + Self.metricsSettings
        for (name, detector) in Self.detectorSections {
            settings.append(Setting(name, "Enabled", .boolean, \.isEnabled[detector]))
        }
        for (index, rule) in rules.enumerated() { settings += Self.settings(of: rule, at: index) }
        self.settings = settings
    }

    /// What holds when no file says anything.
    var defaults: Draft {
        Draft(
            isEnabled: Dictionary(uniqueKeysWithValues: Self.detectorSections.map { ($0.detector, true) }),
            rules: rules.map { Draft.RuleSection($0) },
            scripts: scripts.map { Draft.ScriptSection(name: $0) })
    }

    private static var trustSettings: [Setting] {
        [
            Setting("Trust", "VirtualMACs", .macPrefixes, \.trust.virtualMACs),
            Setting("Trust", "KnownBindings", .knownBindings, \.trust.knownBindings),
            Setting("Trust", "ServiceAddresses", .ipv4Prefixes, \.trust.serviceAddresses),
            Setting("Trust", "WatchInterfaces", .interfaceGlobs, \.trust.watchInterfaces),
            Setting("Trust", "IgnoreInterfaces", .interfaceGlobs, \.trust.ignoreInterfaces),
        ]
    }

    private static var metricsSettings: [Setting] {
        [
            Setting("Metrics", "TextFile", .metricsPath, \.metrics.textFile),
            Setting("Metrics", "IntervalSec", .timeSpan(metricsInterval), \.metrics.intervalNanoseconds),
        ]
    }

    private static func settings(of rule: Rule, at index: Int) -> [Setting] {
        let section = "Rule \(rule.name)"
        var settings = [
            Setting(section, "Enabled", .boolean, \.rules[index].isEnabled),
            Setting(section, "Priority", .priority, \.rules[index].priority),
            Setting(
                section, "DedupIntervalSec", .timeSpan(dedupInterval), \.rules[index].dedupIntervalNanoseconds),
            Setting(
                section, "RateLimitIntervalSec", .timeSpan(rateLimitInterval),
                \.rules[index].rateLimitIntervalNanoseconds),
            Setting(section, "RateLimitBurst", .count(rateLimitBurst), \.rules[index].rateLimitBurst),
            Setting(section, "IgnoreInterfaces", .interfaceGlobs, \.rules[index].ignoreInterfaces),
        ]
        if rule.detector == arp {
            settings += [
                Setting(section, "IgnoreMACs", .macPrefixes, \.rules[index].ignoreMACs),
                Setting(section, "IgnoreAddresses", .ipv4Prefixes, \.rules[index].ignoreAddresses),
            ]
        }
        if let threshold = rule.threshold {
            settings.append(Setting(section, threshold.key, .count(threshold.range), \.rules[index].threshold))
        }
        return settings
    }

    /// The section that a header names, as ``Setting/section`` spells it; one of a new script comes to be.
    mutating func section(_ name: String, argument: String?) throws(Complaint) -> String {
        let plain = ["Daemon", "Limits", "Trust", "Metrics"] + Self.detectorSections.map(\.name)
        switch (name, argument) {
        case ("Rule", let rule?):
            if rules.contains(where: { $0.name.text == rule }) { return "Rule \(rule)" }
            throw Complaint("unknown rule \(quoted(rule))" + suggestion(for: rule, among: rules.map(\.name.text)))
        case ("Rule", nil):
            throw Complaint("section [Rule] needs the name of a rule, as in [Rule arp-malformed]")
        case ("Script", let script?):
            if !scripts.contains(script) {
                try judge(scriptName: script)
                settings += Self.settings(ofScript: script, at: scripts.count)
                scripts.append(script)
            }
            return "Script \(script)"
        case ("Script", nil):
            throw Complaint("section [Script] needs a name, as in [Script tcp-storm]")
        case (_, nil) where plain.contains(name):
            return name
        case (_, let argument?) where plain.contains(name):
            throw Complaint("section [\(name)] takes no name, found \(quoted(argument))")
        case (_, nil) where rules.contains(where: { $0.name.text == name }):
            throw Complaint("unknown section '\(name)', did you mean 'Rule \(name)'?")
        default:
            let names = plain + ["Rule", "Script"]
            throw Complaint("unknown section \(quoted(name))" + suggestion(for: name, among: names))
        }
    }

    /// The index in ``settings`` of a key in a section that exists.
    func setting(_ key: String, in section: String) throws(Complaint) -> Int {
        if let index = settings.firstIndex(where: { $0.key == key && $0.section == section }) { return index }
        let problem = "unknown key \(quoted(key)) in [\(section)]"
        // Scripts have all the same keys, whether there is one or not.
        let known = settings.filter { !$0.section.hasPrefix("Script ") } + Self.settings(ofScript: "<name>", at: 0)
        let homes = known.filter { $0.key == key }.map(\.section)
        if !homes.isEmpty { throw Complaint("\(problem), known in " + joined(homes)) }
        let keys = settings.filter { $0.section == section }.map(\.key)
        throw Complaint(problem + suggestion(for: key, among: keys))
    }

    /// Sections as they may stand in a sentence; what every rule has, or every ARP rule, is said once.
    private func joined(_ sections: [String]) -> String {
        var names = sections
        for (detector, common) in [(nil, "Rule <name>"), (Self.arp, "Rule arp-<name>")] {
            let family = rules.filter { detector == nil || $0.detector == detector }.map { "Rule \($0.name)" }
            guard family.count > 1, Set(names).isSuperset(of: family) else { continue }
            names = names.filter { !family.contains($0) } + [common]
        }
        return names.map { "[\($0)]" }.joined(separator: ", ")
    }
}
