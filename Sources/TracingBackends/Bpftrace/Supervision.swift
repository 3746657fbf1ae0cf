/// Where a supervised program is.
public enum BpftraceState: Equatable, Sendable {
    /// Not wanted.
    case idle
    /// A process runs, and is not ready yet.
    case starting(since: UInt64)
    /// It watches.
    case running(since: UInt64)
    /// Asked to end; killed at `killAt`, nil once that is done.
    case stopping(killAt: UInt64?)
    /// Killed for a reason of ours, and not gone yet.
    case killing(BpftraceFailure)
    /// It failed, and is started again at `until`.
    case waiting(until: UInt64)
    /// Given up: for good (until a reload) if `retryAt` is nil, else with a rare try.
    case broken(BpftraceFailure, retryAt: UInt64?)
}

/// Decides when a program is started, given up and tried again.
///
/// No I/O; `now` is CLOCK_BOOTTIME in nanoseconds.
struct Supervision {
    /// Until it is ready: a second or two, but in a guest that is emulated on a busy host it has taken 90 s.
    static let startNanoseconds = seconds(300)
    /// Without any output of a program that has a heartbeat: four beats.
    static let silenceNanoseconds = seconds(20)
    /// From TERM to KILL: it drains its buffers and prints its maps, in some 0.2 s.
    static let stopNanoseconds = seconds(3)
    static let shortestWaitNanoseconds = seconds(1) / 2
    static let longestWaitNanoseconds = seconds(60)
    /// After so long a run it is sound again: the next failure is a first one.
    static let soundNanoseconds = seconds(300)
    /// So many failures in such a time open the breaker, and so long it stays open.
    static let breakerFailures = 5
    static let breakerNanoseconds = seconds(300)
    static let breakNanoseconds = seconds(600)
    /// Who comes so late to a deadline was stopped or asleep himself, and cannot say that the program was silent.
    static let lateNanoseconds = seconds(5)

    /// What is to be done to the process.
    enum Action: Equatable {
        case spawn
        case terminate
        case kill
    }

    private(set) var state = BpftraceState.idle
    private var isWanted = false
    private let hasHeartbeat: Bool
    /// When the deadline of the present state began to run.
    private var heardAt: UInt64 = 0
    /// When the present process became ready.
    private var readyAt: UInt64?
    /// The last `breakerFailures`.
    private var failures: [UInt64] = []
    private var wait = Self.shortestWaitNanoseconds
    private var isBreakerOpen = false
    private var random: UInt64

    /// - Parameter seed: of the jitter, so that the scripts of many hosts do not start at one time.
    init(hasHeartbeat: Bool, seed: UInt64) {
        self.hasHeartbeat = hasHeartbeat
        random = seed
    }

    /// When `tick` has something to do.
    var nextDeadline: UInt64? {
        switch state {
        case .idle, .killing: nil
        case .starting: heardAt + Self.startNanoseconds
        case .running: hasHeartbeat ? heardAt + Self.silenceNanoseconds : nil
        case .stopping(let killAt): killAt
        case .waiting(let until): until
        case .broken(_, let retryAt): retryAt
        }
    }

    /// The program is wanted, and whatever was wrong before is forgotten.
    mutating func start(now: UInt64) -> Action? {
        isWanted = true
        switch state {
        case .idle, .waiting, .broken:
            forgive()
            return begin(now: now)
        default: return nil
        }
    }

    /// The program is not wanted any more.
    mutating func stop(now: UInt64) -> Action? {
        isWanted = false
        switch state {
        case .starting, .running:
            state = .stopping(killAt: now + Self.stopNanoseconds)
            return .terminate
        case .killing: state = .stopping(killAt: nil)
        case .waiting, .broken: state = .idle
        case .idle, .stopping: break
        }
        return nil
    }

    /// Its probes are attached.
    mutating func becameReady(now: UInt64) {
        guard case .starting = state else { return }
        state = .running(since: now)
        readyAt = now
        heardAt = now
    }

    /// It has said something.
    mutating func heard(now: UInt64) {
        if case .running = state { heardAt = now }
    }

    /// Its process is gone, or could not be made.
    ///
    /// - Returns: the reason, which is ours if we killed it.
    mutating func ended(_ failure: BpftraceFailure, now: UInt64) -> BpftraceFailure {
        if case .stopping = state {
            state = isWanted ? .waiting(until: now) : .idle
            return failure
        }
        var reason = failure
        if case .killing(let ours) = state { reason = ours }
        if let readyAt, now - readyAt >= Self.soundNanoseconds { forgive() }
        if reason.isPermanent {
            state = .broken(reason, retryAt: nil)
            return reason
        }
        failures = failures.suffix(Self.breakerFailures - 1) + [now]
        let oldest = failures.count == Self.breakerFailures ? failures.first : nil
        if let oldest, now - oldest <= Self.breakerNanoseconds { isBreakerOpen = true }
        if isBreakerOpen {
            state = .broken(reason, retryAt: now + Self.breakNanoseconds)
        } else {
            state = .waiting(until: now + jittered(wait))
            wait = min(wait * 2, Self.longestWaitNanoseconds)
        }
        return reason
    }

    /// Does what is due.
    mutating func tick(now: UInt64) -> Action? {
        guard let deadline = nextDeadline, deadline <= now else { return nil }
        switch state {
        case .waiting, .broken: return begin(now: now)
        case .stopping:
            state = .stopping(killAt: nil)
            return .kill
        case .starting, .running:
            guard now - deadline < Self.lateNanoseconds else {
                heardAt = now
                return nil
            }
            if case .starting = state {
                state = .killing(.notReady(afterNanoseconds: Self.startNanoseconds))
            } else {
                state = .killing(.silent(forNanoseconds: Self.silenceNanoseconds))
            }
            return .kill
        case .idle, .killing: return nil
        }
    }

    private mutating func begin(now: UInt64) -> Action {
        state = .starting(since: now)
        readyAt = nil
        heardAt = now
        return .spawn
    }

    private mutating func forgive() {
        failures = []
        wait = Self.shortestWaitNanoseconds
        isBreakerOpen = false
    }

    /// Three quarters of the time, and up to a quarter more.
    private mutating func jittered(_ nanoseconds: UInt64) -> UInt64 {
        // SplitMix64: one addition and a mix, any seed will do.
        random &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (random ^ random >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        mixed ^= mixed >> 31
        return nanoseconds / 4 * 3 + mixed % (nanoseconds / 4 + 1)
    }

    private static func seconds(_ count: UInt64) -> UInt64 { count * 1_000_000_000 }
}
