public import AnomalyModel
internal import CDetectorEvents

/// How one probe fares on this kernel.
public enum ProbeState: Sendable, Equatable {
    case attached
    /// The kernel has no such hook, with the reason in words.
    case missing(String)
    /// Not attached although there is such a hook, with the reason in words.
    case failed(String)

    /// Why it is not attached; nil where it is.
    public var reason: String? {
        switch self {
        case .attached: nil
        case .missing(let reason), .failed(let reason): reason
        }
    }
}

/// What the kernel counted for one rule: `RuleAccount`'s kernel part, and what was put into the ring.
public struct KernelTotals: Sendable, Equatable {
    /// Everything but `written` and `lostJournal`, which only the daemon can know.
    public var account = RuleAccount()
    /// Events put into the ring.
    public var emitted: UInt64 = 0

    /// Nothing counted.
    public init() {}

    /// The sum over all CPUs.
    init(perCPU values: [na_rule_totals]) {
        for one in values {
            emitted += one.emitted
            account.seen += one.seen
            account.deduplicated += one.deduplicated
            account.limited += one.limited
            account.overflow += one.overflow
            account.lostRing += one.lost_ring
            account.trusted += one.trusted
        }
    }
}

/// One rule's settings for the in-kernel gate.
public struct KernelRuleSettings: Sendable, Equatable {
    /// Whether the rule is judged at all.
    public var isEnabled: Bool
    /// Events of one key within this time of its last entry are only counted; 0 emits all.
    public var dedupIntervalNanoseconds: UInt64
    /// With `rateLimitBurst`: how many entries of the rule are let through in this time.
    public var rateLimitIntervalNanoseconds: UInt64
    /// At least 1.
    public var rateLimitBurst: UInt32
    /// The rule's own number, 0 if it has none.
    public var threshold: UInt32

    /// Makes settings.
    public init(
        isEnabled: Bool, dedupIntervalNanoseconds: UInt64, rateLimitIntervalNanoseconds: UInt64,
        rateLimitBurst: UInt32, threshold: UInt32
    ) {
        self.isEnabled = isEnabled
        self.dedupIntervalNanoseconds = dedupIntervalNanoseconds
        self.rateLimitIntervalNanoseconds = rateLimitIntervalNanoseconds
        self.rateLimitBurst = rateLimitBurst
        self.threshold = threshold
    }
}

/// What a sweep of the key table found.
public struct SweepResult: Sendable, Equatable {
    /// Keys still in the table.
    public var keys: Int
    /// When the next key wants attention, CLOCK_BOOTTIME; nil when the table is empty.
    public var nextNanoseconds: UInt64?
    /// Summaries are left that found no room in the ring or no budget: drain, then sweep again.
    public var isIncomplete: Bool
}
