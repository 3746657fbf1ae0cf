/// What became of every event a rule saw.
///
/// All counts are since the daemon's state began.
public struct RuleAccount: Sendable, Equatable {
    /// Packets or state changes that met the predicate.
    public var seen: UInt64 = 0
    /// Given an entry of their own, handed to the journal.
    public var written: UInt64 = 0
    /// Same key as an entry less than `DedupIntervalSec=` old; counted in that key's next entry or summary.
    public var deduplicated: UInt64 = 0
    /// Over `RateLimitBurst=`; counted in their key's next entry or summary.
    public var limited: UInt64 = 0
    /// New keys while the key table (`MaxKeys=`) was full: counted per rule only.
    public var overflow: UInt64 = 0
    /// No room in the ring between kernel and daemon.
    public var lostRing: UInt64 = 0
    /// The journal did not take the entry.
    public var lostJournal: UInt64 = 0
    /// Met the predicate, but `[Trust]` excuses the sender or the interface: in no other count.
    public var trusted: UInt64 = 0

    /// An empty account.
    public init() {}

    /// All that is accounted for.
    public var settled: UInt64 { written + deduplicated + limited + overflow + lostRing + lostJournal }

    /// Events still on their way: in the ring, in the output queue, or between two counters of a running program.
    public var pending: UInt64 { seen >= settled ? seen - settled : 0 }

    /// True when more is accounted for than was seen: a defect, never expected.
    public var isOverdrawn: Bool { settled > seen }

    /// The sum of two accounts, field by field.
    public static func + (left: RuleAccount, right: RuleAccount) -> RuleAccount {
        var sum = left
        sum.seen += right.seen
        sum.written += right.written
        sum.deduplicated += right.deduplicated
        sum.limited += right.limited
        sum.overflow += right.overflow
        sum.lostRing += right.lostRing
        sum.lostJournal += right.lostJournal
        sum.trusted += right.trusted
        return sum
    }
}
