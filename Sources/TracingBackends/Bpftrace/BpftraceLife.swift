/// What one process has done so far.
struct BpftraceLife {
    /// Lines of standard error that are kept while it starts: an error and what is around it, not a verifier's log.
    static let maxComplaints = 32

    let startedAt: UInt64
    var heardAt: UInt64
    /// Texts that it must still print to count as ready.
    var awaited: Set<[UInt8]> = []
    /// How long it must live after it began to attach, if no texts tell.
    var proof: UInt64?
    /// When it began to attach.
    var attachedAt: UInt64?
    /// Set once it has printed something that is no sign: a flood may have cost it those.
    var hasSpoken = false
    var readyAt: UInt64?
    /// What it wrote to its standard error while it started.
    var complaints: [String] = []
    /// What it says that it has printed.
    var printed: UInt64?
    /// Of the session's counts, what came before.
    var settledBefore: UInt64 = 0
    var skippedErrors: UInt64 = 0

    init(of program: BpftraceProgram, startedAt: UInt64) {
        self.startedAt = startedAt
        heardAt = startedAt
        switch program.readiness {
        case .lines(let texts): awaited = Set(texts.map { Array($0.utf8) })
        case .alive(let nanoseconds): proof = nanoseconds
        }
    }
}
