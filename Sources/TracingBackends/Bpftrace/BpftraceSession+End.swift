import Glibc

/// bpftrace, asked for its version after a failure that a newer one may not have.
struct VersionQuestion {
    /// It takes a tenth of a second, reading its libraries.
    static let answerNanoseconds: UInt64 = 5_000_000_000

    let child: BpftraceChild
    let failure: BpftraceFailure
    let deadline: UInt64
    /// `bpftrace v0.17.0`, one line.
    var answer: [UInt8] = []
}

/// How a process begins to watch, and what follows from its end.
extension BpftraceSession {
    /// An attach that fails ends bpftrace at once: a script that has printed and lives on for so long has all probes.
    private static var spokenProofNanoseconds: UInt64 { 3_000_000_000 }

    /// When a script that says nothing has lived long enough, or one whose signs were lost in a flood.
    var provenAt: UInt64? {
        guard case .starting = state, let attachedAt = life.attachedAt else { return nil }
        return (life.proof ?? (life.hasSpoken ? Self.spokenProofNanoseconds : nil)).map { attachedAt + $0 }
    }

    func becomeReady(now: UInt64) {
        guard case .starting = state, question == nil, child?.end == nil else { return }
        supervision.becameReady(now: now)
        life.readyAt = now
        onNews(.ready(afterNanoseconds: now - life.startedAt))
        tellGap(now: now)
        life.complaints.forEach { tellMessage($0, now: now) }
    }

    /// Draws the balance of a process that is gone and read to its end.
    func conclude(_ gone: BpftraceChild, now: UInt64) {
        child = nil
        // One of ours that has not told how much it printed was cut short, whatever its status.
        let isClean = gone.end == .exited(0) && (life.printed != nil || !program.hasHeartbeat)
        if isClean, let printed = life.printed {
            counts.printed += printed
            let settled = counts.settled - life.settledBefore
            // Before it was ready it had nothing to say but its signs.
            if printed > settled, life.readyAt != nil {
                counts.unaccounted += printed - settled
                onNews(.unaccounted(printed - settled))
            }
        }
        let failure = failure(of: gone)
        if case .starting = state, failure.mayComeOfAge, ask(failure, now: now) { return }
        finish(failure, isClean: isClean, now: now)
    }

    private func failure(of gone: BpftraceChild) -> BpftraceFailure {
        let complaint = BpftraceComplaint(lines: life.complaints, surroundings: .current)
        switch gone.end {
        case .exited(let status) where life.readyAt == nil && status != 0:
            // Until it attaches it only reads the script, and the next time it reads the same.
            return complaint.failure
                ?? (life.attachedAt == nil
                    ? .scriptRefused(complaint.text) : .ended(status: status, text: complaint.text))
        case .exited(let status): return .ended(status: status, text: "")
        case .killed(let signal) where life.readyAt == nil && signal != SIGKILL && signal != SIGTERM:
            return .crashed(signal: signal, text: complaint.text)
        case .killed(let signal): return .killed(signal: signal)
        case nil: return .ended(status: 0, text: "")
        }
    }

    /// Goes on from an end, or from a start that failed.
    ///
    /// - Parameter isClean: all that it had seen has been told.
    func finish(_ failure: BpftraceFailure, isClean: Bool, now: UInt64) {
        var isStopping = false
        if case .stopping = state { isStopping = true }
        let reason = supervision.ended(failure, now: now)
        if life.readyAt != nil, gap == nil, !(isStopping && isClean) {
            gap = BpftraceGapStart(at: life.heardAt, reason: reason, lostUnknown: !isClean)
        }
        life.readyAt = nil
        if isStopping { return tellEnd(now: now) }
        switch state {
        case .waiting(let until): onNews(.failed(reason, retryAt: until))
        case .broken(_, let retryAt): onNews(.broken(reason, retryAt: retryAt))
        default: break
        }
    }

    // MARK: The version

    /// - Returns: false if bpftrace cannot be asked.
    private func ask(_ failure: BpftraceFailure, now: UInt64) -> Bool {
        guard let child = try? program.askVersion(epoll: descriptor) else { return false }
        question = VersionQuestion(child: child, failure: failure, deadline: now + VersionQuestion.answerNanoseconds)
        return true
    }

    /// Takes what the asked one says.
    func listen(_ asked: VersionQuestion, now: UInt64) {
        var block = [UInt8](repeating: 0, count: 256)
        var answer = asked.answer
        asked.child.takeEnd()
        let isFinal = asked.child.end != nil
        asked.child.output.read(budget: block.count, isFinal: isFinal, block: &block) { answer = Array($0) }
        asked.child.errors.read(budget: block.count, isFinal: isFinal, block: &block) { _ in }
        asked.child.closeEnded()
        question?.answer = answer
        if asked.child.isOver {
            finishQuestion(asked, version: BpftraceVersion(printed: String(decoding: answer, as: UTF8.self)), now: now)
        }
    }

    /// Goes on with the failure; without a version it is what it seemed to be.
    func finishQuestion(_ asked: VersionQuestion, version: BpftraceVersion?, now: UInt64) {
        question = nil
        if let version, version < .oldest {
            finish(.tooOld(version), isClean: false, now: now)
        } else {
            finish(asked.failure, isClean: false, now: now)
        }
    }

    // MARK: Telling

    /// Tells a line of bpftrace's, unless there were many.
    func tellMessage(_ words: String, now: UInt64) {
        if let count = messageLimit.takeSuppressed(now: now) { onNews(.messagesSuppressed(count)) }
        guard messageLimit.admit(now: now) else { return }
        onNews(.message(withoutControls(words)))
    }

    /// Tells what is left when nothing runs and nothing will.
    func tellEnd(now: UInt64) {
        tellGap(now: now)
        if let count = messageLimit.takeSuppressed(now: now, isFinal: true) { onNews(.messagesSuppressed(count)) }
        onNews(.stopped)
    }

    private func tellGap(now: UInt64) {
        guard let gap else { return }
        self.gap = nil
        onNews(.gap(BpftraceGap(from: gap.at, to: now, reason: gap.reason, lostUnknown: gap.lostUnknown)))
    }
}

/// The beginning of a gap.
struct BpftraceGapStart {
    let at: UInt64
    let reason: BpftraceFailure
    let lostUnknown: Bool
}

/// The text with U+FFFD for each character that could move a terminal's cursor.
func withoutControls(_ text: String) -> String {
    let scalars = text.unicodeScalars.map { scalar in
        scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) ? "\u{fffd}" : scalar
    }
    return String(String.UnicodeScalarView(scalars))
}
