public import AnomalyModel

/// Why a record was not delivered.
public enum LossCause: String, Sendable, CaseIterable {
    /// The output was slow or away for so long that no room was left.
    case queueFull = "queue-full"
    /// The receiver does not take this record.
    case refused
    /// The reader of a stream has gone.
    case readerGone = "reader-gone"
    /// Still waiting when the daemon stopped.
    case unsentAtStop = "unsent-at-stop"
}

/// What became of one rule's events at the output; summaries and the daemon's own records count as none.
public struct Delivery: Sendable, Equatable {
    /// Handed over.
    public var written: UInt64 = 0
    /// Not handed over, for whatever cause.
    public var lost: UInt64 = 0

    /// Nothing yet.
    public init() {}
}

/// Losses that are over: said once the output works again.
public struct LossReport: Sendable, Equatable {
    /// Records lost, whatever they stood for.
    public var records: UInt64 { byCause.values.reduce(0, +) }
    /// Records lost by cause, since the last report.
    public var byCause: [LossCause: UInt64] = [:]
    /// CLOCK_BOOTTIME of the first loss.
    public var firstBoottimeNanoseconds: UInt64
    /// CLOCK_BOOTTIME of the last loss.
    public var lastBoottimeNanoseconds: UInt64
}

/// Keeps records in order while the output is slow or away, and says of each what became of it.
///
/// Bounded. When it is full the newest record is lost: what waits is older, part of it may be written already, and the
/// order of `NETANOMALY_SEQ` stays. The last eighth is kept for records whose loss would cost more than one event:
/// summaries, the daemon's own, and what is urgent.
public struct RecordQueue {
    /// Most records that wait: a hung journald has seconds to come back while several rules write all they may.
    public static let maxRecords = 4096
    /// Most bytes that wait: 1 KiB for each, or 64 of the largest; the memory that a hung journald can cost us.
    public static let maxBytes = 4 * 1024 * 1024
    /// First pause when there is no receiver: a restarting journald is back within it.
    public static let firstRetryNanoseconds: UInt64 = 100_000_000
    /// Longest pause when there is no receiver.
    public static let maxRetryNanoseconds: UInt64 = 5_000_000_000

    private enum State {
        case open
        case awaitingWritable
        case backingOff(until: UInt64, pause: UInt64, errno: Int32)
        case readerGone
    }

    private let transport: any RecordTransport
    private let memory: StateMemory
    private let isKept: Bool
    private var state = State.open
    private var records: WaitingRecords
    /// Records that were sent, or refused, since the commit.
    private var settled = 0
    private var scratch: [UInt8] = []
    var unreported: LossReport?
    private var isDeliveringSinceLoss = false

    /// What became of each rule's events so far; one entry per rule.
    public internal(set) var deliveries: [RuleName: Delivery] = [:]
    /// All records lost so far, by cause.
    public internal(set) var losses: [LossCause: UInt64] = [:]

    /// Starts empty.
    ///
    /// - Parameters:
    ///   - memory: where records wait.
    ///   - isKept: whether another process may go on with the memory. Then a record is sent only after a `commit`, so
    ///     that it is never sent by one that does not know of it.
    public init(transport: any RecordTransport, memory: StateMemory, isKept: Bool = false) {
        self.transport = transport
        self.memory = memory
        self.isKept = isKept
        records = WaitingRecords(in: memory)
    }

    /// What to wait on when `wantsWritable`.
    public var descriptor: Int32 { transport.descriptor }

    /// Records that wait.
    public var waiting: Int { records.count }

    /// True if `flush` should be called when the descriptor is writable.
    public var wantsWritable: Bool {
        if case .awaitingWritable = state { true } else { false }
    }

    /// When `flush` should be called because the receiver may be back: CLOCK_BOOTTIME in nanoseconds.
    public var nextRetry: UInt64? {
        if case .backingOff(let until, _, _) = state { until } else { nil }
    }

    /// Why there is no receiver at present (errno); nil while there is one.
    public var unreachable: Int32? {
        if case .backingOff(_, _, let errno) = state { errno } else { nil }
    }

    /// True when the reader of a stream has gone: nothing will ever be delivered again.
    public var isReaderGone: Bool {
        if case .readerGone = state { true } else { false }
    }

    /// Queues the record, or counts it as lost; delivers it at once where nobody else may go on and nothing waits.
    ///
    /// - Parameter now: CLOCK_BOOTTIME in nanoseconds.
    public mutating func enqueue(_ record: Record, now: UInt64) {
        let account = RecordAccount(record)
        if isReaderGone { return lose(.readerGone, account, now) }
        scratch.removeAll(keepingCapacity: true)
        transport.encode(record, into: &scratch)
        let isPreferred = record.events == 0 || record.priority <= .error
        let share = isPreferred ? 8 : 7
        guard waiting < Self.maxRecords / 8 * share, records.bytes + scratch.count <= Self.maxBytes / 8 * share,
            records.append(scratch, account)
        else { return lose(.queueFull, account, now) }
        if !isKept, waiting == 1, case .open = state { flush(now: now) }
    }

    /// Delivers what waits, until the output is slow or away again, or until a `commit` is needed first.
    ///
    /// - Parameter now: CLOCK_BOOTTIME in nanoseconds; before `nextRetry` nothing is tried.
    public mutating func flush(now: UInt64) {
        if let nextRetry, now < nextRetry { return }
        while let item = records.first, mayLeave(item) {
            let outcome = transport.send(memory.outgoing(at: item.offset, count: item.count, receipt: settled))
            guard settle(outcome, item.account, now: now) else { return }
            memory.note(outcome, receipt: settled)
            if isKept { settled += 1 }
            records.removeFirst()
        }
    }

    private func mayLeave(_ item: WaitingRecords.Item) -> Bool {
        !isKept || (item.end <= records.committed.upperBound && settled < StateMemory.receipts)
    }

    /// True if records wait for nothing but a `commit`.
    public var needsCommit: Bool {
        guard isKept, let item = records.first, !mayLeave(item) else { return false }
        if case .open = state { return true }
        return false
    }

    /// True if something is not in the committed state.
    public var isUncommitted: Bool {
        isKept && (settled > 0 || records.range.end != records.committed.upperBound)
    }

    /// True if it is worth a commit that the memory is used from its beginning again.
    public var isSpreadOut: Bool { isKept && records.isSpreadOut }

    /// Puts the state in force that another process would go on with.
    ///
    /// - Parameter text: all there is to know, with what `save` adds among it.
    public mutating func commit(_ text: String) -> Bool {
        guard memory.commit(text) else { return false }
        settled = 0
        records.didCommit()
        return true
    }

    /// From where to where records lie in the memory.
    var waitingRange: (first: UInt64, end: UInt64) { records.range }

    /// Finds the records that another process left; false if they cannot be read.
    mutating func restoreRecords(from first: UInt64, to end: UInt64) -> Bool {
        records.restore(from: first, to: end)
    }

    /// Books what the other process had sent after its last commit.
    mutating func settleByReceipts(now: UInt64) {
        while settled < StateMemory.receipts, let outcome = memory.fate(receipt: settled), let item = records.first {
            _ = settle(outcome, item.account, now: now)
            settled += 1
            records.removeFirst()
        }
    }

    /// Gives up what waits, at the end of a stop.
    public mutating func abandon(now: UInt64) {
        while let item = records.first {
            lose(.unsentAtStop, item.account, now)
            records.removeFirst()
        }
    }

    /// The losses since the last report, once the output works again and nothing waits; nil otherwise.
    public mutating func takeRecoveredLoss() -> LossReport? {
        guard waiting == 0, isDeliveringSinceLoss, let report = unreported else { return nil }
        unreported = nil
        return report
    }

    /// True if the record's fate is decided; false if it has to wait.
    private mutating func settle(_ outcome: SendOutcome, _ account: RecordAccount, now: UInt64) -> Bool {
        switch outcome {
        case .sent:
            state = .open
            isDeliveringSinceLoss = true
            book(account, \.written)
            return true
        case .refused:
            state = .open
            lose(.refused, account, now)
            return true
        case .readerGone:
            state = .readerGone
            lose(.readerGone, account, now)
            return true
        case .wouldBlock:
            state = .awaitingWritable
            return false
        case .unreachable(let errno):
            var pause = Self.firstRetryNanoseconds
            if case .backingOff(_, let last, _) = state { pause = min(last * 2, Self.maxRetryNanoseconds) }
            state = .backingOff(until: now + pause, pause: pause, errno: errno)
            return false
        }
    }

    private mutating func book(_ account: RecordAccount, _ fate: WritableKeyPath<Delivery, UInt64>) {
        deliveries[account.rule, default: Delivery()][keyPath: fate] += account.events
        for rule in account.also { deliveries[rule, default: Delivery()][keyPath: fate] += account.events }
    }

    private mutating func lose(_ cause: LossCause, _ account: RecordAccount, _ now: UInt64) {
        book(account, \.lost)
        losses[cause, default: 0] += 1
        var report = unreported ?? LossReport(firstBoottimeNanoseconds: now, lastBoottimeNanoseconds: now)
        report.byCause[cause, default: 0] += 1
        report.lastBoottimeNanoseconds = now
        unreported = report
        isDeliveringSinceLoss = false
    }
}
