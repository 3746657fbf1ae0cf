import AnomalyModel
import EventPipeline
import TracingBackends

/// A script under bpftrace as the daemon sees it: its session, its counts over all sessions, and what of it is told in
/// the journal.
final class BpftraceWatch {
    /// Losses are told together, at most this often.
    private static let lossSpacing: UInt64 = 10_000_000_000

    /// A line or more in so short a time is a flood: some 500 wake-ups a second are enough for it.
    private static let busyLines: UInt64 = 1
    private static let busyNanoseconds: UInt64 = 5_000_000

    /// As in records: `arp`, or `script <name>`.
    let title: String
    private let detector: DetectorName
    private let tell: (DaemonNotice) -> Void
    /// Called when lines are missing, or may be.
    private let onLoss: (UInt64) -> Void

    private(set) var session: BpftraceSession?
    /// Of earlier sessions.
    private var countsBefore = BpftraceCounts()
    private(set) var problem: BpftraceFailure?
    private(set) var isStarting = false
    /// True if lines came fast when it was last looked: bpftrace writes each as it comes.
    private(set) var isBusy = false
    private var receivedBefore: UInt64 = 0
    private var drainedBefore: UInt64 = 0
    private var untoldLoss: UInt64 = 0
    private var nextLossNotice: UInt64 = 0

    init(
        title: String, detector: DetectorName, tell: @escaping (DaemonNotice) -> Void,
        onLoss: @escaping (UInt64) -> Void
    ) {
        self.title = title
        self.detector = detector
        self.tell = tell
        self.onLoss = onLoss
    }

    var isRunning: Bool { if case .running = session?.state { true } else { false } }
    var descriptor: Int32? { session?.descriptor }
    var counts: BpftraceCounts { countsBefore + (session?.counts ?? BpftraceCounts()) }
    /// Lines that no one has judged, and never will.
    var lost: UInt64 { counts.lost + counts.unaccounted + counts.oversized + counts.unreadable }

    var nextDeadline: UInt64? {
        [session?.nextDeadline, untoldLoss > 0 ? nextLossNotice : nil].compactMap(\.self).min()
    }

    func start(
        _ program: BpftraceProgram, now: UInt64, onText: @escaping (_ text: [UInt8], _ now: UInt64) -> Void,
        onValue: @escaping ([String]) -> Void = { _ in }
    ) {
        do {
            let session = try BpftraceSession(
                program, seed: UInt64.random(in: .min ... .max), onText: onText, onValue: onValue,
                onNews: { [unowned self] in take($0) })
            self.session = session
            (isStarting, receivedBefore) = (true, 0)
            session.start(now: now)
        } catch {
            problem = .cannotStart(code: error.code ?? 0)
            if let problem { tell(Notices.backendDegraded(title, detector, problem, retryAt: nil)) }
        }
    }

    func drain(now: UInt64) {
        guard let session else { return }
        session.readable(now: now)
        let received = session.counts.received
        isBusy = received - receivedBefore >= Self.busyLines && now - drainedBefore < Self.busyNanoseconds
        (receivedBefore, drainedBefore) = (received, now)
    }

    func tick(now: UInt64) {
        session?.tick(now: now)
        if untoldLoss > 0, now >= nextLossNotice { tellLoss(now: now) }
    }

    func beginStop(now: UInt64) { session?.stop(now: now) }

    /// Waits for the end, takes what comes until then, and keeps the counts.
    func finishStop(deadline: UInt64) {
        guard let session else { return }
        BpftraceSession.drain([session], until: deadline)
        countsBefore = countsBefore + session.counts
        self.session = nil
        isStarting = false
        if untoldLoss > 0 { tellLoss(now: boottimeNanoseconds()) }
    }

    private func take(_ news: BpftraceNews) {
        let now = boottimeNanoseconds()
        switch news {
        case .ready:
            (problem, isStarting) = (nil, false)
            onLoss(now)
        case .failed(let failure, let retryAt):
            (problem, isStarting) = (failure, false)
            tell(Notices.backendFailed(title, detector, failure, retryIn: retryAt - min(now, retryAt)))
        case .broken(let failure, let retryAt):
            (problem, isStarting) = (failure, false)
            tell(Notices.backendDegraded(title, detector, failure, retryAt: retryAt))
        case .gap(let gap): tell(Notices.backendRestarted(title, detector, gap))
        case .lost(let count), .unaccounted(let count):
            untoldLoss += count
            onLoss(now)
        case .message(let line): tell(Notices.backendMessage(title, detector, line))
        case .messagesSuppressed(let count):
            tell(Notices.backendMessage(title, detector, "\(count) more lines, not shown"))
        case .stopped: break
        }
    }

    private func tellLoss(now: UInt64) {
        tell(Notices.backendLoss(title, detector, lines: untoldLoss))
        untoldLoss = 0
        nextLossNotice = now + Self.lossSpacing
    }

    /// As the status tells it; netanomalyctl(1) documents the members.
    var status: JSON {
        let counts = counts
        return .object(
            [("state", .string(stateWord))]
                + (session?.childPID.map { [("pid", JSON.number(UInt64($0)))] } ?? [])
                + [
                    ("received", .number(counts.received)), ("lost", .number(counts.lost)),
                    ("unaccounted", .number(counts.unaccounted)), ("oversized", .number(counts.oversized)),
                    ("unreadable", .number(counts.unreadable)), ("helper_errors", .number(counts.helperErrors)),
                    ("restarts", .number(counts.restarts)),
                ])
    }

    private var stateWord: String {
        switch session?.state {
        case nil, .idle: "stopped"
        case .starting: "starting"
        case .running: "running"
        case .stopping, .killing: "stopping"
        case .waiting: "waiting"
        case .broken: "broken"
        }
    }
}

extension BpftraceCounts {
    static func + (left: Self, right: Self) -> Self {
        var sum = left
        sum.received += right.received
        sum.lost += right.lost
        sum.printed += right.printed
        sum.unaccounted += right.unaccounted
        sum.oversized += right.oversized
        sum.unreadable += right.unreadable
        sum.helperErrors += right.helperErrors
        sum.restarts += right.restarts
        return sum
    }
}
