public import AnomalyModel

/// How often a rule may speak: `DedupIntervalSec=`, `RateLimitIntervalSec=` and `RateLimitBurst=`.
public struct RuleLimits: Sendable, Equatable {
    /// Shortest time between two entries of one key; 0 lets every event pass.
    public var dedupIntervalNanoseconds: UInt64
    /// The time in which `rateLimitBurst` entries of the rule are let through; 0 means no limit.
    public var rateLimitIntervalNanoseconds: UInt64
    /// Entries in one interval, and at most so many at once; 0 means no limit, as in systemd.
    public var rateLimitBurst: UInt32

    /// Sets all three.
    public init(dedupIntervalNanoseconds: UInt64, rateLimitIntervalNanoseconds: UInt64, rateLimitBurst: UInt32) {
        self.dedupIntervalNanoseconds = dedupIntervalNanoseconds
        self.rateLimitIntervalNanoseconds = rateLimitIntervalNanoseconds
        self.rateLimitBurst = rateLimitBurst
    }
}

/// What the administrator decided about the gate; replaced as a whole at reload.
public struct GateSettings: Sendable, Equatable {
    /// Limits of the rules that have their own.
    public var limits: [RuleName: RuleLimits]
    /// Limits of every other rule.
    public var common: RuleLimits
    /// `MaxKeys=`: keys remembered at once, over all rules; packets choose the keys, so this bounds the memory.
    public var maxKeys: Int

    /// Sets all.
    public init(limits: [RuleName: RuleLimits] = [:], common: RuleLimits, maxKeys: Int) {
        self.limits = limits
        self.common = common
        self.maxKeys = maxKeys
    }

    /// The limits in force for one rule.
    public subscript(rule: RuleName) -> RuleLimits { limits[rule] ?? common }
}

/// The sum, or the end of time instead of an overflow: an interval may be configured as "infinity".
func saturatingSum(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? .max : sum
}
