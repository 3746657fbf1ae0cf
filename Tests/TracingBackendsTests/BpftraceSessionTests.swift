import Glibc
import Testing

@testable import TracingBackends

/// The real bpftrace, one at a time: two processors are quickly busy.
@Suite(.serialized, .enabled(if: bpftraceProblem == nil, "\(bpftraceProblem ?? "")"))
struct BpftraceSessionTests {
    /// A line every 20 ms.
    private let ticking = supervised(#"interval:ms:20 { printf("tick\n"); @printed = count(); }"#)

    // MARK: A good life

    @Test func `both signs make it ready, and only its own lines come out`() throws {
        let watched = try WatchedSession(ticking)
        try watched.run(until: "a line") { $0.isReady && $0.texts.count > 2 }
        #expect(Set(watched.texts) == ["tick"])
        guard case .ready(let nanoseconds) = watched.news.first else {
            Issue.record("\(watched.news)")
            return
        }
        #expect((second / 10..<60 * second).contains(nanoseconds))
    }

    /// bpftrace throws away what it reads between the request to end and its obeying: that is the unaccounted part.
    @Test func `a clean stop balances exactly`() throws {
        let watched = try WatchedSession(ticking)
        try watched.run(until: "lines") { $0.texts.count > 20 }
        try watched.stop()
        #expect(watched.counts.received > 20)
        #expect(watched.counts.printed == watched.counts.received + watched.counts.unaccounted)
        #expect(watched.counts.lost + watched.counts.unreadable == 0)
        #expect(watched.news.last == .stopped)
        #expect(watched.gaps.isEmpty && watched.failures.isEmpty)
    }

    @Test func `what a buffer of one page loses is counted`() throws {
        let words = [String](repeating: "comm", count: 8).joined(separator: ", ")
        let flood =
            #"interval:ms:20 { $i = 0; while ($i < 40) { printf("%d %s %s %s %s %s %s %s %s\n", $i, "# + words
            + "); @printed = count(); $i++; } }"
        let watched = try WatchedSession(supervised(flood), environment: ["BPFTRACE_PERF_RB_PAGES": "1"])
        try watched.run(until: "losses") { $0.counts.lost > 100 && $0.isReady }
        try watched.stop()
        let counts = watched.counts
        #expect(counts.printed == counts.received + counts.lost + counts.unaccounted)
        let told = watched.news.reduce(0 as UInt64) { if case .lost(let count) = $1 { $0 + count } else { $0 } }
        #expect(told == counts.lost)
        #expect(watched.news.contains(.unaccounted(counts.unaccounted)) == (counts.unaccounted > 0))
    }

    @Test func `arguments, bytes and tuples come as they were printed`() throws {
        let script = supervised(
            #"interval:ms:50 { printf("%d \"\\\xc3\xa9\t|\n", $1); print((1, "two", (3, "four"))); }"#)
        let watched = try WatchedSession(script, arguments: ["42"])
        try watched.run(until: "both") { !$0.texts.isEmpty && !$0.values.isEmpty }
        #expect(watched.texts.first == "42 \"\\\u{e9}\t|")
        #expect(watched.values.first == ["1", "two", #"[3,"four"]"#])
    }

    @Test func `a line of more than 64 KiB is counted and passed over`() throws {
        let filling =
            #"interval:ms:10 { $i = 0; while ($i < 90) { @many[nsecs, $i, "a key of some length"] = 1; $i++; } "#
            + #"printf("more\n"); @printed = count(); }"#
        let watched = try WatchedSession(supervised(filling))
        try watched.run(until: "enough keys") { $0.isReady && $0.texts.count > 40 }
        try watched.stop()
        #expect(watched.counts.oversized == 1)
        #expect(watched.counts.unreadable == 0)
    }

    @Test func `a script of the user's is ready when it has lived for a while`() throws {
        let watched = try WatchedSession(
            #"interval:ms:10 { printf("mine\n"); }"#, readiness: .alive(nanoseconds: second), hasHeartbeat: false)
        try watched.runUntilReady()
        guard case .ready(let nanoseconds) = watched.news.first else {
            Issue.record("\(watched.news)")
            return
        }
        #expect(nanoseconds >= second)
        try watched.stop()
        #expect(watched.counts.printed == 0 && watched.counts.received > 0)
    }

    @Test func `a script of the user's that cannot attach is never ready`() throws {
        let watched = try WatchedSession(
            "kprobe:no_such_function { exit(); }", readiness: .alive(nanoseconds: 5 * second), hasHeartbeat: false)
        try watched.run(until: "given up") { !$0.failures.isEmpty }
        #expect(watched.failures == [.probeMissing("kprobe:no_such_function")])
        #expect(watched.state == .broken(.probeMissing("kprobe:no_such_function"), retryAt: nil))
    }

    @Test func `two are waited for together`() throws {
        let both = try [WatchedSession(ticking), WatchedSession(ticking)]
        for watched in both { try watched.runUntilReady() }
        for watched in both { watched.session?.stop(now: watched.now) }
        BpftraceSession.drain(both.compactMap(\.session), until: boottime() + 10 * second)
        for watched in both {
            #expect(watched.state == .idle)
            #expect(watched.counts.printed > 0)
            #expect(watched.counts.printed == watched.counts.received + watched.counts.unaccounted)
        }
    }

    // MARK: Signals

    @Test func `a kill is a gap, with a beginning, an end and an unknown loss`() throws {
        let watched = try WatchedSession(ticking)
        try watched.run(until: "a line") { $0.isReady && !$0.texts.isEmpty }
        let killedAt = watched.now
        watched.signal(SIGKILL)
        try watched.run(until: "the failure") { !$0.failures.isEmpty }
        #expect(watched.failures == [.killed(signal: SIGKILL)])
        #expect(watched.gaps.isEmpty)
        try watched.runUntilReady()
        let gap = try #require(watched.gaps.first)
        #expect(gap.from < killedAt + second && gap.from + second / 2 > killedAt)
        #expect(gap.to > killedAt && gap.to <= watched.now)
        #expect(gap.reason == .killed(signal: SIGKILL) && gap.lostUnknown)
        #expect(watched.counts.restarts == 1)
    }

    @Test func `it does not die of the hang-up that was meant for the daemon`() throws {
        let watched = try WatchedSession(ticking)
        try watched.runUntilReady()
        watched.signal(SIGHUP)
        let before = watched.texts.count
        try watched.run(until: "more lines") { $0.texts.count > before + 20 }
        #expect(watched.failures.isEmpty)
    }

    @Test func `one that is stopped loses nothing uncounted`() throws {
        let watched = try WatchedSession(ticking)
        try watched.runUntilReady()
        watched.signal(SIGSTOP)
        let heard = watched.texts.count
        // TERM waits for a stopped process, so the stop has to wake it.
        try watched.stop()
        #expect(watched.texts.count >= heard)
        let counts = watched.counts
        #expect(counts.printed == counts.received + counts.lost + counts.unaccounted)
        #expect(counts.printed > 0 && watched.gaps.isEmpty)
    }

    @Test func `one whose heartbeat stops is killed and started again`() throws {
        let watched = try WatchedSession(ticking)
        try watched.runUntilReady()
        watched.signal(SIGSTOP)
        watched.session?.readable(now: watched.now)
        watched.skipToDeadline()
        try watched.runUntilReady()
        #expect(watched.failures == [.silent(forNanoseconds: 20 * second)])
        #expect(watched.gaps.map(\.lostUnknown) == [true])
    }

    @Test func `one that does not become ready is killed`() throws {
        let watched = try WatchedSession(#"interval:ms:10 { printf("ready 1\n"); }"#)
        try watched.run(until: "half ready") { $0.counts.received > 0 }
        watched.skipToDeadline()
        try watched.run(until: "the failure") { !$0.failures.isEmpty }
        #expect(watched.failures == [.notReady(afterNanoseconds: 300 * second)])
    }

    @Test func `one that ignores the request to end is killed`() throws {
        let deaf = try Executable(
            """
            #!/bin/sh
            trap '' TERM
            while :; do echo '{"type": "printf", "data": "ready 1"}'; sleep 0.1; done
            """)
        let watched = try WatchedSession("", executable: deaf.path, readiness: .lines(["ready 1"]))
        try watched.runUntilReady()
        watched.session?.stop(now: watched.now)
        watched.skipToDeadline()
        try watched.run(until: "stopped") { $0.state == .idle }
        #expect(watched.gaps.map(\.reason) == [.killed(signal: SIGKILL)])
        #expect(watched.news.last == .stopped)
    }

    @Test func `letting go of a session leaves no process`() throws {
        let watched = try WatchedSession(ticking)
        try watched.runUntilReady()
        let pid = watched.pid
        watched.abandon()
        #expect(kill(pid, 0) == -1 && errno == ESRCH)
    }

    // MARK: What the process has

    @Test func `the process has little of the daemon's environment, and no signal held back but the hang-up`() throws {
        let watched = try WatchedSession(ticking, environment: ["BPFTRACE_PERF_RB_PAGES": "128"])
        try watched.runUntilReady()
        let environment = try text(of: "environ", watched.pid).split(separator: "\0")
        #expect(environment.contains("BPFTRACE_PERF_RB_PAGES=128"))
        #expect(environment.allSatisfy { $0.hasPrefix("PATH=") || $0.hasPrefix("BPFTRACE_") })
        #expect(try signals("SigBlk", of: watched.pid) == 0)
        #expect(try signals("SigIgn", of: watched.pid) == 1 << (SIGHUP - 1))
        #expect(getsid(watched.pid) == watched.pid)
    }

    /// A set of signals as the kernel shows it, without those that glibc keeps for itself.
    private func signals(_ name: String, of pid: Int32) throws -> UInt64 {
        let lines = try text(of: "status", pid).split(separator: "\n")
        let line = try #require(lines.first { $0.hasPrefix(name + ":") })
        return try #require(UInt64(line.drop { $0 != "\t" }.dropFirst(), radix: 16)) & 0x7fff_ffff
    }

    private func text(of file: String, _ pid: Int32) throws -> String {
        let stream = try #require(fopen("/proc/\(pid)/\(file)", "r"))
        defer { fclose(stream) }
        var bytes: [UInt8] = []
        while case let byte = getc(stream), byte != EOF { bytes.append(UInt8(byte)) }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Messages

    @Test func `what it says on standard error is told ten times a minute, the rest is counted`() throws {
        let complaining = #"interval:ms:10 { cat("/nonexistent"); printf("said\n"); @printed = count(); }"#
        let watched = try WatchedSession(supervised(complaining))
        try watched.run(until: "many lines") { $0.isReady && $0.texts.count > 40 }
        let words = "ERROR: failed to open file '/nonexistent': No such file or directory"
        #expect(watched.messages == [String](repeating: words, count: 10))
        try watched.stop()
        #expect(watched.messages.count == 10)
        let rest = watched.news.compactMap { if case .messagesSuppressed(let count) = $0 { count } else { nil } }
        #expect(rest.count == 1 && rest.allSatisfy { $0 > 20 })
    }
}
