import CLinux
import Glibc

/// One script under supervision: its process, what it prints, and what becomes of it when it fails.
///
/// The owner waits for `descriptor` and for `nextDeadline`, and calls `readable` and `tick`. Nothing here blocks, logs or
/// sleeps; what there is to tell comes through the closures, which run inside of those calls.
public final class BpftraceSession {
    /// A line that is longer is counted and passed over.
    ///
    /// Our longest have some 3 KiB, a stack included.
    public static let maxLineBytes = 65536
    /// Read in one call, so that a flood of one script does not keep the loop from everything else.
    private static let readBudget = 262_144
    private static let blockBytes = 65536
    private static let maxLost: UInt64 = 1 << 40
    /// More than a pipe holds.
    private static let roomBytes = 2 << 20
    /// A line of standard error that is longer is not told.
    private static let maxMessageBytes = 4096

    /// What is run.
    public let program: BpftraceProgram
    /// Readable when there is something for `readable`; the same for the session's life.
    public let descriptor: Int32
    /// What was counted so far.
    public internal(set) var counts = BpftraceCounts()

    var supervision: Supervision
    var child: BpftraceChild?
    var life: BpftraceLife
    /// A failed start, while bpftrace is asked for its version.
    var question: VersionQuestion?
    /// Set from the end of a process that watched until another does.
    var gap: BpftraceGapStart?
    var messageLimit = MessageLimit()
    private var hasStarted = false

    let onNews: (BpftraceNews) -> Void
    private let onText: (_ text: [UInt8], _ now: UInt64) -> Void
    private let onValue: ([String]) -> Void

    private var block = [UInt8](repeating: 0, count: BpftraceSession.blockBytes)
    private var outputLines = LineSplitter(maxLineBytes: BpftraceSession.maxLineBytes)
    private var errorLines = LineSplitter(maxLineBytes: BpftraceSession.maxMessageBytes)
    /// The text of one printf; kept for its memory.
    private var text: [UInt8] = []
    /// What the script says to us alone.
    private let signs: Set<[UInt8]>
    private let longestSign: Int

    /// Makes a session, which does nothing until `start`.
    ///
    /// - Parameters:
    ///   - seed: of the jitter between tries.
    ///   - onText: takes the text of each printf without the newline at its end, as the script printed it: bytes;
    ///     and the time, CLOCK_BOOTTIME.
    ///   - onValue: takes each printed value, or the elements of a tuple.
    /// - Throws: if there is no descriptor left.
    public init(
        _ program: BpftraceProgram, seed: UInt64, onText: @escaping (_ text: [UInt8], _ now: UInt64) -> Void,
        onValue: @escaping ([String]) -> Void, onNews: @escaping (BpftraceNews) -> Void
    ) throws(BackendError) {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw .failed(what: "Cannot supervise \(program.name)", code: errno) }
        self.program = program
        self.onText = onText
        self.onValue = onValue
        self.onNews = onNews
        life = BpftraceLife(of: program, startedAt: 0)
        supervision = Supervision(hasHeartbeat: program.hasHeartbeat, seed: seed)
        signs = program.signs
        longestSign = program.signs.map(\.count).max() ?? 0
    }

    deinit { close(descriptor) }

    /// Where the program is.
    public var state: BpftraceState { supervision.state }

    /// The process that runs, if one does.
    public var childPID: Int32? { child?.pid }

    /// When `tick` is due, CLOCK_BOOTTIME.
    public var nextDeadline: UInt64? {
        [supervision.nextDeadline, provenAt, question?.deadline, messageLimit.nextDeadline].compactMap(\.self).min()
    }

    /// Starts the program, or tries again at once what has failed or is broken.
    public func start(now: UInt64) {
        if let action = supervision.start(now: now) { act(action, now: now) }
    }

    /// Asks the program to end; it has when the state is idle.
    ///
    /// What it still has to say is taken until then, by `readable`.
    public func stop(now: UInt64) {
        guard state != .idle else { return }
        if let action = supervision.stop(now: now) { return act(action, now: now) }
        // There was no process whose end could tell it.
        if state == .idle { tellEnd(now: now) }
    }

    /// Does what is due.
    public func tick(now: UInt64) {
        guard let deadline = nextDeadline, deadline <= now else { return }
        // What lies in the pipe may be what was waited for.
        readable(now: now)
        if let provenAt, provenAt <= now { becomeReady(now: now) }
        if let question, question.deadline <= now { finishQuestion(question, version: nil, now: now) }
        if let action = supervision.tick(now: now) { act(action, now: now) }
        if let count = messageLimit.takeSuppressed(now: now) { onNews(.messagesSuppressed(count)) }
    }

    /// Takes what the process has written, and its end.
    public func readable(now: UInt64) {
        if let question { return listen(question, now: now) }
        guard let child else { return }
        child.takeEnd()
        let isFinal = child.end != nil
        child.output.read(budget: Self.readBudget, isFinal: isFinal, block: &block) { bytes in
            life.heardAt = now
            supervision.heard(now: now)
            outputLines.feed(bytes) { takeOutput($0, now: now) }
        }
        child.errors.read(budget: Self.readBudget, isFinal: isFinal, block: &block) { bytes in
            errorLines.feed(bytes) { takeError($0, now: now) }
        }
        child.closeEnded()
        if child.isOver {
            outputLines.end { takeOutput($0, now: now) }
            errorLines.end { takeError($0, now: now) }
        }
        countOversized(now: now)
        if child.isOver { conclude(child, now: now) }
    }

    // MARK: Processes

    private func act(_ action: Supervision.Action, now: UInt64) {
        switch action {
        case .spawn: spawn(now: now)
        case .terminate:
            if let question { return finishQuestion(question, version: nil, now: now) }
            terminate(now: now)
        case .kill: child?.signal(SIGKILL)
        }
    }

    /// Asks the process to end while it does not wait for room in its pipe.
    ///
    /// A signal that interrupts its write breaks its output for good, and it says no more of what it has lost.
    private func terminate(now: UInt64) {
        var waiting: [UInt8] = []
        child?.output.read(budget: Self.roomBytes, isFinal: false, block: &block) { waiting += $0 }
        child?.signal(SIGTERM)
        // One that was stopped drains its buffers too.
        child?.signal(SIGCONT)
        waiting.withUnsafeBytes { bytes in outputLines.feed(bytes) { takeOutput($0, now: now) } }
    }

    private func spawn(now: UInt64) {
        if hasStarted { counts.restarts += 1 }
        hasStarted = true
        life = BpftraceLife(of: program, startedAt: now)
        life.skippedErrors = errorLines.oversized
        life.settledBefore = counts.settled
        do throws(BpftraceFailure) {
            child = try program.start(epoll: descriptor)
        } catch {
            finish(error, isClean: false, now: now)
        }
    }

    // MARK: Lines

    private func takeOutput(_ line: UnsafeRawBufferPointer, now: UInt64) {
        switch BpftraceRecord.read(line, text: &text) {
        case .text: takeText(now: now)
        case .value(let elements):
            counts.received += 1
            onValue(elements)
        case .lost(let count):
            // Far beyond what is possible, and far from an overflow of the sum.
            let plausible = min(count, Self.maxLost)
            counts.lost += plausible
            life.hasSpoken = true
            onNews(.lost(plausible))
        case .map(program.printedMap, let value):
            life.printed = min(value, Self.maxLost)
        case .attachedProbes: life.attachedAt = now
        case .helperError(let words):
            counts.helperErrors += 1
            tellMessage(words, now: now)
        case .unreadable: counts.unreadable += 1
        case .map, .other, .empty: break
        }
    }

    private func takeText(now: UInt64) {
        counts.received += 1
        if text.last == UInt8(ascii: "\n") { text.removeLast() }
        guard text.count <= longestSign, signs.contains(text) else {
            life.hasSpoken = true
            return onText(text, now)
        }
        life.awaited.remove(text)
        if life.awaited.isEmpty, life.proof == nil { becomeReady(now: now) }
    }

    private func takeError(_ line: UnsafeRawBufferPointer, now: UInt64) {
        let words = String(decoding: line, as: UTF8.self)
        // An unprivileged container's, and of no consequence since Linux 5.11.
        if words.contains("couldn't set RLIMIT_MEMLOCK") || words.allSatisfy(\.isWhitespace) { return }
        // While it starts they belong to its failure, or are told when it is ready.
        if life.readyAt == nil, life.complaints.count < BpftraceLife.maxComplaints {
            life.complaints.append(words)
        } else {
            tellMessage(words, now: now)
        }
    }

    private func countOversized(now: UInt64) {
        counts.oversized = outputLines.oversized
        let skipped = errorLines.oversized - life.skippedErrors
        if skipped > 0 { messageLimit.suppress(skipped, now: now) }
        life.skippedErrors = errorLines.oversized
    }
}
