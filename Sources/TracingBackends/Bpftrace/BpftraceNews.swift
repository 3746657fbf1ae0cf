/// What a session has to tell.
public enum BpftraceNews: Equatable, Sendable {
    /// The script's probes are attached.
    case ready(afterNanoseconds: UInt64)
    /// It does not run, and is tried again at `retryAt`.
    case failed(BpftraceFailure, retryAt: UInt64)
    /// Given up: until a reload if `retryAt` is nil, else until then.
    case broken(BpftraceFailure, retryAt: UInt64?)
    /// Nobody watched for a time. Told when somebody does again, or when the session is stopped.
    case gap(BpftraceGap)
    /// So many events did not fit into bpftrace's buffers.
    case lost(UInt64)
    /// A clean end shows that so many lines were printed that neither came nor were reported as lost.
    case unaccounted(UInt64)
    /// A line that bpftrace wrote to its standard error, without control characters.
    case message(String)
    /// So many lines more, within `MessageLimit.intervalNanoseconds`.
    case messagesSuppressed(UInt64)
    /// Stopped as it was asked to.
    case stopped
}

/// A time in which a script did not watch.
public struct BpftraceGap: Equatable, Sendable {
    /// The last that was heard of it, CLOCK_BOOTTIME.
    public let from: UInt64
    /// When it was ready again, or the session was stopped.
    public let to: UInt64
    /// What ended it.
    public let reason: BpftraceFailure
    /// True if it was killed: what it had in its buffers is in no count.
    public let lostUnknown: Bool
}

/// What a session has counted, over all its processes.
public struct BpftraceCounts: Equatable, Sendable {
    /// Printed texts and values that came.
    public var received: UInt64 = 0
    /// Events that bpftrace reported as lost.
    public var lost: UInt64 = 0
    /// What scripts counted in a map (`BpftraceProgram.printedMap`) until a clean end.
    public var printed: UInt64 = 0
    /// Printed, and neither received, lost, oversized nor unreadable.
    public var unaccounted: UInt64 = 0
    /// Lines that were longer than `BpftraceSession.maxLineBytes`.
    public var oversized: UInt64 = 0
    /// Lines that are not as bpftrace writes them.
    public var unreadable: UInt64 = 0
    /// Calls that failed in the kernel, as bpftrace reports them.
    public var helperErrors: UInt64 = 0
    /// Processes started after the first.
    public var restarts: UInt64 = 0

    /// Nothing counted.
    public init() {}

    /// The lines that a script's own count should come to.
    var settled: UInt64 { received + lost + oversized + unreadable }
}

/// Keeps what bpftrace writes to its standard error from filling the journal.
struct MessageLimit {
    static let burst = 10
    static let intervalNanoseconds: UInt64 = 60_000_000_000

    private var endsAt: UInt64?
    private var admitted = 0
    private var suppressed: UInt64 = 0

    /// When `takeSuppressed` has something.
    var nextDeadline: UInt64? { suppressed > 0 ? endsAt : nil }

    /// True if one more may be told.
    mutating func admit(now: UInt64) -> Bool {
        if endsAt.map({ $0 <= now }) ?? true {
            endsAt = now + Self.intervalNanoseconds
            admitted = 0
        }
        guard admitted < Self.burst else {
            suppressed += 1
            return false
        }
        admitted += 1
        return true
    }

    /// Counts lines that were dropped elsewhere.
    mutating func suppress(_ count: UInt64, now: UInt64) {
        suppressed += count
        if endsAt == nil { endsAt = now + Self.intervalNanoseconds }
    }

    /// How many were not told, once their time is over or `isFinal`.
    mutating func takeSuppressed(now: UInt64, isFinal: Bool = false) -> UInt64? {
        guard suppressed > 0, isFinal || endsAt.map({ $0 <= now }) ?? true else { return nil }
        defer { suppressed = 0 }
        return suppressed
    }
}
