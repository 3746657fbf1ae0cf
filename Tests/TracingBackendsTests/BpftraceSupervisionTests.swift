import Glibc
import Testing

@testable import TracingBackends

@Suite struct SupervisionTests {
    private let crash = BpftraceFailure.killed(signal: SIGSEGV)
    private var supervision = Supervision(hasHeartbeat: true, seed: 7)

    /// Starts, becomes ready, and lives for so long before it crashes; returns the time of the crash.
    private mutating func live(from start: UInt64, for nanoseconds: UInt64) -> UInt64 {
        supervision.becameReady(now: start)
        let end = start + nanoseconds
        _ = supervision.ended(crash, now: end)
        return end
    }

    private var waitsUntil: UInt64? {
        if case .waiting(let until) = supervision.state { until } else { nil }
    }

    @Test mutating func `each wait is twice as long as the one before, up to a minute, and a quarter of it is chance`()
    {
        var now = second
        _ = supervision.start(now: now)
        for expected in [1, 2, 4, 8, 16, 32, 64, 120, 120].map({ $0 * second / 2 }) {
            // Far enough apart for the breaker to stay closed, not long enough to be forgiven.
            now = live(from: now, for: 80 * second)
            let wait = (waitsUntil ?? 0) - now
            #expect((expected / 4 * 3...expected).contains(wait))
            now += wait
            #expect(supervision.tick(now: now - 1) == nil)
            #expect(supervision.tick(now: now) == .spawn)
        }
    }

    @Test func `two seeds wait differently`() {
        let waits = (0..<8 as Range<UInt64>).map { seed in
            var supervision = Supervision(hasHeartbeat: false, seed: seed)
            _ = supervision.start(now: 0)
            _ = supervision.ended(crash, now: 0)
            return supervision.nextDeadline
        }
        #expect(Set(waits).count == waits.count)
    }

    @Test mutating func `five minutes of running make the next failure a first one`() {
        var now = second
        _ = supervision.start(now: now)
        for _ in 0..<4 {
            now = live(from: now, for: second)
            now = waitsUntil ?? now
            _ = supervision.tick(now: now)
        }
        now = live(from: now, for: Supervision.soundNanoseconds)
        #expect((waitsUntil ?? .max) - now <= Supervision.shortestWaitNanoseconds)
    }

    @Test mutating func `five failures in five minutes open the breaker, which lets one try through every ten minutes`()
    {
        var now = second
        _ = supervision.start(now: now)
        for count in 1...Supervision.breakerFailures {
            now = live(from: now, for: second)
            if count < Supervision.breakerFailures { #expect(waitsUntil != nil) }
            now = supervision.nextDeadline ?? now
            if count < Supervision.breakerFailures { _ = supervision.tick(now: now) }
        }
        #expect(supervision.state == .broken(crash, retryAt: now))
        for _ in 0..<3 {
            #expect(supervision.tick(now: now) == .spawn)
            now = live(from: now, for: second)
            #expect(supervision.state == .broken(crash, retryAt: now + Supervision.breakNanoseconds))
            now += Supervision.breakNanoseconds
        }
        #expect(supervision.tick(now: now) == .spawn)
        _ = live(from: now, for: Supervision.soundNanoseconds)
        #expect(waitsUntil != nil)
    }

    @Test mutating func `what will not change is not tried again, until a reload asks for it`() {
        _ = supervision.start(now: 0)
        let failure = BpftraceFailure.notInstalled(path: "/x")
        _ = supervision.ended(failure, now: 1)
        #expect(supervision.state == .broken(failure, retryAt: nil))
        #expect(supervision.nextDeadline == nil)
        #expect(supervision.start(now: 2) == .spawn)
    }

    @Test mutating func `silence is judged by whoever listened`() {
        _ = supervision.start(now: 0)
        supervision.becameReady(now: second)
        supervision.heard(now: 10 * second)
        #expect(supervision.nextDeadline == 30 * second)
        #expect(supervision.tick(now: 29 * second) == nil)
        // The machine slept for an hour, and the program with it.
        #expect(supervision.tick(now: 3600 * second) == nil)
        #expect(supervision.tick(now: 3620 * second) == .kill)
        #expect(supervision.state == .killing(.silent(forNanoseconds: 20 * second)))
        #expect(supervision.ended(.killed(signal: SIGKILL), now: 3621 * second) == .silent(forNanoseconds: 20 * second))
    }

    @Test func `without a heartbeat silence is no fault`() {
        var supervision = Supervision(hasHeartbeat: false, seed: 0)
        _ = supervision.start(now: 0)
        supervision.becameReady(now: second)
        #expect(supervision.nextDeadline == nil)
    }

    @Test mutating func `a stop is TERM, then KILL, and no failure`() {
        _ = supervision.start(now: 0)
        #expect(supervision.stop(now: second) == .terminate)
        #expect(supervision.tick(now: 4 * second - 1) == nil)
        #expect(supervision.tick(now: 4 * second) == .kill)
        #expect(supervision.nextDeadline == nil)
        _ = supervision.ended(.killed(signal: SIGKILL), now: 5 * second)
        #expect(supervision.state == .idle)
    }

    @Test mutating func `one that is wanted again while it ends is started when it has`() {
        _ = supervision.start(now: 0)
        _ = supervision.stop(now: 1)
        #expect(supervision.start(now: 2) == nil)
        _ = supervision.ended(.ended(status: 0, text: ""), now: 3)
        #expect(supervision.tick(now: 3) == .spawn)
    }

    @Test mutating func `a stop while it waits needs no process`() {
        _ = supervision.start(now: 0)
        _ = supervision.ended(crash, now: 1)
        #expect(supervision.stop(now: 2) == nil)
        #expect(supervision.state == .idle)
        #expect(supervision.nextDeadline == nil)
    }
}

@Suite struct MessageLimitTests {
    @Test func `a new minute tells ten more, and how many were not told`() {
        var limit = MessageLimit()
        let told = (0..<25).map { limit.admit(now: $0) }.filter(\.self)
        #expect(told.count == 10)
        #expect(limit.takeSuppressed(now: 30) == nil)
        let end = limit.nextDeadline
        #expect(end == MessageLimit.intervalNanoseconds)
        #expect(limit.takeSuppressed(now: end ?? 0) == 15)
        #expect(limit.nextDeadline == nil)
        let next = (0..<25).map { limit.admit(now: (end ?? 0) + $0) }.filter(\.self)
        #expect(next.count == 10)
    }
}
