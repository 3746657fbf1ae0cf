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

    var backend = Backend.auto
    var accountingIntervalNanoseconds = TimeSpan.hour
    var limits = Limits()
    var trust = Trust()
    /// Every detector that has a section.
    var isEnabled: [DetectorName: Bool]
    /// In the order of the schema's rules.
    var rules: [RuleSection]
}
