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

    private struct Item {
        var bytes: [UInt8]
        var account: Account
    }

    /// Whose events are settled with a record, and how many of each.
    private struct Account {
        let rule: RuleName
        let also: [RuleName]
        let events: UInt64

        init(_ record: Record) {
            (rule, also, events) = (record.rule, record.also, record.events)
        }
    }

    private enum State {
        case open
        case awaitingWritable
        case backingOff(until: UInt64, pause: UInt64, errno: Int32)
        case readerGone
    }

    private let transport: any RecordTransport
    private var state = State.open
    private var items: [Item] = []
    /// Items before it are gone.
    private var head = 0
    private var waitingBytes = 0
    private var scratch: [UInt8] = []
    private var unreported: LossReport?
    private var isDeliveringSinceLoss = false

    /// What became of each rule's events so far; one entry per rule.
    public private(set) var deliveries: [RuleName: Delivery] = [:]
    /// All records lost so far, by cause.
    public private(set) var losses: [LossCause: UInt64] = [:]

    /// Starts empty.
    public init(transport: any RecordTransport) {
        self.transport = transport
    }

    /// What to wait on when `wantsWritable`.
    public var descriptor: Int32 { transport.descriptor }

    /// Records that wait.
    public var waiting: Int { items.count - head }

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

    /// Delivers the record at once if nothing waits before it, else queues it, else counts it as lost.
    ///
    /// - Parameter now: CLOCK_BOOTTIME in nanoseconds.
    public mutating func enqueue(_ record: Record, now: UInt64) {
        if isReaderGone { return lose(.readerGone, Account(record), now) }
        scratch.removeAll(keepingCapacity: true)
        transport.encode(record, into: &scratch)
        if waiting == 0, case .open = state, settle(scratch, Account(record), now: now) { return }
        let isPreferred = record.events == 0 || record.priority <= .error
        let share = isPreferred ? 8 : 7
        guard waiting < Self.maxRecords / 8 * share, waitingBytes + scratch.count <= Self.maxBytes / 8 * share else {
            return lose(.queueFull, Account(record), now)
        }
        waitingBytes += scratch.count
        items.append(Item(bytes: scratch, account: Account(record)))
    }

    /// Delivers what waits, until the output is slow or away again.
    ///
    /// - Parameter now: CLOCK_BOOTTIME in nanoseconds; before `nextRetry` nothing is tried.
    public mutating func flush(now: UInt64) {
        if let nextRetry, now < nextRetry { return }
        while head < items.count {
            let item = items[head]
            guard settle(item.bytes, item.account, now: now) else { return }
            removeFirst()
        }
    }

    /// Gives up what waits, at the end of a stop.
    public mutating func abandon(now: UInt64) {
        while head < items.count {
            lose(.unsentAtStop, items[head].account, now)
            removeFirst()
        }
    }

    /// The losses since the last report, once the output works again and nothing waits; nil otherwise.
    public mutating func takeRecoveredLoss() -> LossReport? {
        guard waiting == 0, isDeliveringSinceLoss, let report = unreported else { return nil }
        unreported = nil
        return report
    }

    /// True if the record's fate is decided; false if it has to wait.
    private mutating func settle(_ bytes: [UInt8], _ account: Account, now: UInt64) -> Bool {
        switch transport.send(bytes) {
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

    private mutating func book(_ account: Account, _ fate: WritableKeyPath<Delivery, UInt64>) {
        deliveries[account.rule, default: Delivery()][keyPath: fate] += account.events
        for rule in account.also { deliveries[rule, default: Delivery()][keyPath: fate] += account.events }
    }

    private mutating func lose(_ cause: LossCause, _ account: Account, _ now: UInt64) {
        book(account, \.lost)
        losses[cause, default: 0] += 1
        var report = unreported ?? LossReport(firstBoottimeNanoseconds: now, lastBoottimeNanoseconds: now)
        report.byCause[cause, default: 0] += 1
        report.lastBoottimeNanoseconds = now
        unreported = report
        isDeliveringSinceLoss = false
    }

    private mutating func removeFirst() {
        waitingBytes -= items[head].bytes.count
        items[head].bytes = []
        head += 1
        if head == items.count {
            // The storage goes too: a queue is empty almost always.
            items = []
            head = 0
        } else if head >= 512, head * 2 >= items.count {
            items.removeFirst(head)
            head = 0
        }
    }
}
