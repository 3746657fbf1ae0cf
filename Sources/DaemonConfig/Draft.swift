import AnomalyModel

/// What the files say, with the defaults for what they leave open; rules do not follow `[Limits]` yet.
struct Draft {
    /// A `[Rule <name>]` section; nil where the rule follows `[Limits]` or, in its priority, its own judgement.
    struct RuleSection {
        var isEnabled: Bool
        var threshold: UInt32?
        var priority: Priority?
        var dedupIntervalNanoseconds: UInt64?
        var rateLimitIntervalNanoseconds: UInt64?
        var rateLimitBurst: UInt32?
        var ignoreInterfaces: [InterfaceGlob] = []
        var ignoreMACs: [MACPrefix] = []
        var ignoreAddresses: [IPv4Prefix] = []

        init(_ rule: Rule) {
            isEnabled = rule.isEnabledByDefault
            threshold = rule.threshold?.defaultValue
            dedupIntervalNanoseconds = rule.defaultDedupIntervalNanoseconds
        }
    }

    /// A `[Script <name>]` section; nil where it follows `[Limits]`.
    struct ScriptSection {
        let name: String
        var path: String?
        var isEnabled = true
        var arguments: [String] = []
        var priority = Priority.notice
        var dedupIntervalNanoseconds: UInt64?
        var rateLimitIntervalNanoseconds: UInt64?
        var rateLimitBurst: UInt32?
        var keyFields: [String]?

        init(name: String) { self.name = name }
    }

    var backend = Backend.auto
    var bpftracePath = "/usr/bin/bpftrace"
    var accountingIntervalNanoseconds = TimeSpan.hour
    var limits = Limits()
    var trust = Trust()
    var metrics = MetricsSettings()
    /// Every detector that has a section.
    var isEnabled: [DetectorName: Bool]
    /// In the order of the schema's rules.
    var rules: [RuleSection]
    /// In the order in which the files name them.
    var scripts: [ScriptSection]
}
