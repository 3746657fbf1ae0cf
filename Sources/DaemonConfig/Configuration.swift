public import AnomalyModel

/// What runs the probes.
public enum Backend: String, Sendable, CaseIterable {
    /// The best one there is.
    case auto
    /// In this process.
    case libbpf
    /// In supervised children.
    case bpftrace
}

/// How much of a flood is written, where a rule has no limits of its own.
public struct Limits: Sendable, Equatable {
    /// Events of one key within this time after an entry are counted, not written; 0 writes each.
    public internal(set) var dedupIntervalNanoseconds = TimeSpan.minute
    /// The time in which `rateLimitBurst` entries of one rule may be written; never 0.
    public internal(set) var rateLimitIntervalNanoseconds = 10 * TimeSpan.second
    /// Entries of one rule in `rateLimitIntervalNanoseconds`, given back evenly; never 0.
    public internal(set) var rateLimitBurst: UInt32 = 200
    /// Keys that each detector remembers.
    public internal(set) var maxKeys: UInt32 = 8192
    /// Entries of 32 bytes in which the rules about repetition of each detector remember what they saw.
    public internal(set) var maxMemory: UInt32 = 16384
}

/// All that is configured of one rule.
public struct RuleSettings: Sendable, Equatable {
    /// Whether it runs: its detector's `Enabled=` and its own.
    public let isEnabled: Bool
    /// Takes the place of the rule's priority, in its special cases too; nil leaves it to the rule.
    public let priorityOverride: Priority?
    /// See ``Limits/dedupIntervalNanoseconds``.
    public let dedupIntervalNanoseconds: UInt64
    /// See ``Limits/rateLimitIntervalNanoseconds``.
    public let rateLimitIntervalNanoseconds: UInt64
    /// See ``Limits/rateLimitBurst``.
    public let rateLimitBurst: UInt32
    /// The number of the rule's `RuleThreshold`; nil if the rule has none.
    public let threshold: UInt32?
    /// Interfaces that the rule does not judge, besides ``Trust/ignoreInterfaces``.
    public let ignoreInterfaces: [InterfaceGlob]
    /// Stations that the rule does not judge; empty for rules that are not about ARP.
    public let ignoreMACs: [MACPrefix]
    /// Addresses whose claims the rule does not judge; empty for rules that are not about ARP.
    public let ignoreAddresses: [IPv4Prefix]
}

/// A complete, checked configuration: every setting has a value.
///
/// It is made of the main file and its drop-ins, or not at all: anything unknown, doubled or out of range in
/// any of the files is an error, and all errors are reported together.
public struct Configuration: Sendable {
    /// `[Daemon] Backend=`.
    public let backend: Backend
    /// The program that runs scripts: an absolute path, not looked at yet.
    public let bpftracePath: String
    /// Time between accounting entries; 0 for one at the stop only.
    public let accountingIntervalNanoseconds: UInt64
    /// `[Limits]`.
    public let limits: Limits
    /// `[Trust]`.
    public let trust: Trust
    /// `[Metrics]`.
    public let metrics: MetricsSettings
    /// Detectors, of those that have rules, whose section does not switch them off.
    public let enabledDetectors: Set<DetectorName>
    /// Every rule that was given.
    public let rules: [RuleName: RuleSettings]
    /// `[Script <name>]`, by name.
    public let scripts: [ScriptSettings]
    /// Every setting with its origin, in the order of netanomaly.conf(5).
    public let settings: [EffectiveSetting]

    /// Reads the machine's configuration, or a file named by hand.
    ///
    /// - Parameters:
    ///   - path: A file that must exist, amended by `PATH.d/*.conf`; nil for ``ConfigurationLocation/standard``.
    ///   - rules: All rules of this version.
    /// - Returns: What is in force from now on.
    /// - Throws: All problems of all files.
    public static func load(path: String?, rules: [Rule]) throws(ConfigurationErrors) -> Configuration {
        try load(from: path.map { ConfigurationLocation(file: $0) } ?? .standard, rules: rules)
    }

    /// Reads the files of a location.
    ///
    /// - Throws: All problems of all files.
    public static func load(
        from location: ConfigurationLocation, rules: [Rule]
    ) throws(ConfigurationErrors) -> Configuration {
        var errors = ConfigurationErrors()
        let sources = location.read(reporting: &errors)
        return try Configuration(sources: sources, rules: rules, errors: errors, scriptProblem: ScriptFile.problem)
    }

    /// Makes a configuration from what was read, without touching a file; no sources give the defaults.
    ///
    /// - Throws: All problems of all sources.
    public init(sources: [ConfigurationSource], rules: [Rule]) throws(ConfigurationErrors) {
        try self.init(sources: sources, rules: rules, errors: ConfigurationErrors()) { _ in nil }
    }

    private init(
        sources: [ConfigurationSource], rules: [Rule], errors: ConfigurationErrors,
        scriptProblem: (_ path: String) -> String?
    ) throws(ConfigurationErrors) {
        var interpreter = Interpreter(schema: Schema(rules: rules), errors: errors)
        for source in sources { interpreter.read(source) }
        guard interpreter.errors.problems.isEmpty else { throw interpreter.errors }

        let schema = interpreter.schema
        var draft = schema.defaults
        for assignment in interpreter.assignments.values { assignment.change(&draft) }
        interpreter.judgeTotals(of: draft)
        interpreter.judgeScripts(of: draft, scriptProblem)
        guard interpreter.errors.problems.isEmpty else { throw interpreter.errors }
        backend = draft.backend
        bpftracePath = draft.bpftracePath
        accountingIntervalNanoseconds = draft.accountingIntervalNanoseconds
        limits = draft.limits
        trust = draft.trust
        metrics = draft.metrics
        let enabledDetectors = Set(rules.map(\.detector).filter { draft.isEnabled[$0] ?? true })
        self.enabledDetectors = enabledDetectors
        var settingsByRule: [RuleName: RuleSettings] = [:]
        for (rule, section) in zip(rules, draft.rules) {
            settingsByRule[rule.name] = RuleSettings(
                section, limits: draft.limits, isDetectorEnabled: enabledDetectors.contains(rule.detector))
        }
        self.rules = settingsByRule
        scripts = draft.scripts.map { ScriptSettings($0, limits: draft.limits) }.sorted { $0.name < $1.name }
        settings = schema.settings.enumerated().map { index, setting in
            EffectiveSetting(
                section: setting.section, key: setting.key, value: setting.text(draft),
                origin: interpreter.assignments[index]?.origin ?? "default")
        }
    }
}

extension Configuration: Equatable {
    /// Whether both say the same, wherever it is written.
    public static func == (left: Configuration, right: Configuration) -> Bool {
        left.backend == right.backend && left.limits == right.limits && left.trust == right.trust
            && left.accountingIntervalNanoseconds == right.accountingIntervalNanoseconds
            && left.enabledDetectors == right.enabledDetectors && left.rules == right.rules
            && left.bpftracePath == right.bpftracePath && left.scripts == right.scripts
            && left.metrics == right.metrics
    }
}

extension RuleSettings {
    fileprivate init(_ section: Draft.RuleSection, limits: Limits, isDetectorEnabled: Bool) {
        isEnabled = isDetectorEnabled && section.isEnabled
        priorityOverride = section.priority
        dedupIntervalNanoseconds = section.dedupIntervalNanoseconds ?? limits.dedupIntervalNanoseconds
        rateLimitIntervalNanoseconds = section.rateLimitIntervalNanoseconds ?? limits.rateLimitIntervalNanoseconds
        rateLimitBurst = section.rateLimitBurst ?? limits.rateLimitBurst
        threshold = section.threshold
        ignoreInterfaces = section.ignoreInterfaces
        ignoreMACs = section.ignoreMACs
        ignoreAddresses = section.ignoreAddresses
    }
}
