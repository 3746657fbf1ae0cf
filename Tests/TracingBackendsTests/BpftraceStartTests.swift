import Glibc
import Testing

@testable import TracingBackends

/// Starts that fail, each for its real reason.
@Suite(.serialized, .enabled(if: bpftraceProblem == nil, "\(bpftraceProblem ?? "")"))
struct BpftraceStartTests {
    /// The one failure of a start that is given up at once.
    private func permanentFailure(
        _ script: String, executable: String = bpftracePath, environment: [String: String] = [:]
    ) throws -> BpftraceFailure {
        let watched = try WatchedSession(script, environment: environment, executable: executable)
        try watched.run(until: "given up") { !$0.failures.isEmpty }
        let failure = try #require(watched.failures.first)
        #expect(watched.news == [.broken(failure, retryAt: nil)])
        #expect(watched.state == .broken(failure, retryAt: nil))
        return failure
    }

    @Test func `a syntax error has its line and column`() throws {
        let failure = try permanentFailure("BEGIN { exit(); }\ninterval:s:1 { printf(\"x %d\\n\", 1; }\n")
        #expect(
            failure
                == .script(
                    line: 2, column: 33, text: #"syntax error, unexpected ;, expecting ) or ",""#))
    }

    @Test func `an undefined variable has its line and column`() throws {
        let failure = try permanentFailure("interval:s:1 { printf(\"%d\", $nope); }")
        #expect(failure == .script(line: 1, column: 29, text: "Undefined or undeclared variable: $nope"))
    }

    @Test func `an empty script is refused`() throws {
        #expect(try permanentFailure("") == .scriptRefused("unexpected end of file, expected {"))
    }

    @Test func `a tracepoint that this kernel lacks is named`() throws {
        let failure = try permanentFailure("tracepoint:net:no_such_point { exit(); }")
        #expect(failure == .probeMissing("tracepoint:net:no_such_point"))
    }

    @Test func `a function that this kernel lacks is named`() throws {
        let failure = try permanentFailure("kprobe:no_such_function { exit(); }")
        #expect(failure == .probeMissing("kprobe:no_such_function"))
    }

    @Test func `a field that this kernel lacks is named`() throws {
        let failure = try permanentFailure(
            "tracepoint:net:netif_receive_skb { print(((struct sk_buff *)args->skbaddr)->nothing); }")
        #expect(failure == .fieldMissing(field: "nothing", structure: "struct sk_buff"))
    }

    @Test func `a structure that this kernel lacks is named`() throws {
        let failure = try permanentFailure(
            "tracepoint:net:netif_receive_skb { print(((struct nothing *)args->skbaddr)->len); }")
        #expect(failure == .structureMissing("struct nothing"))
    }

    @Test func `a program that the kernel refuses is named`() throws {
        let failure = try permanentFailure(
            "interval:ms:50 { $i = 0; while ($i < 100000) { $j = 0; while ($j < 1000) { @x[$j] = $i; $j++; } $i++; } }")
        guard case .programRefused(let name) = failure else {
            Issue.record("\(failure)")
            return
        }
        #expect(name.hasPrefix("interval"))
    }

    @Test func `an unknown kind of probe is an error, or a crash of older versions`() throws {
        let watched = try WatchedSession("nonsense:x { exit(); }")
        try watched.run(until: "the failure") { !$0.failures.isEmpty }
        let crash = BpftraceFailure.crashed(
            signal: SIGABRT, text: "FATAL: Invalid probe type made it to attachpoint parser")
        let error = BpftraceFailure.script(line: 1, column: 1, text: "Invalid probe type: nonsense")
        #expect(watched.failures == [crash] || watched.failures == [error])
    }

    @Test func `where there is no bpftrace, its path is named`() throws {
        #expect(
            try permanentFailure("", executable: "/nonexistent/bpftrace")
                == .notInstalled(path: "/nonexistent/bpftrace"))
    }

    @Test func `what is no program is not run`() throws {
        #expect(
            try permanentFailure("", executable: "/etc/passwd") == .notExecutable(path: "/etc/passwd", code: EACCES))
    }

    @Test func `as an ordinary user it is not permitted`() throws {
        let asNobody = try Executable(
            "#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups \(bpftracePath) \"$@\"\n")
        #expect(
            try permanentFailure("BEGIN { exit(); }", executable: asNobody.path)
                == .notPermitted(missing: "not being root"))
    }

    @Test func `an old version is blamed for what it does not know`() throws {
        let old = try Executable(
            """
            #!/bin/sh
            if [ "$1" = --version ]; then echo "bpftrace v0.16.0"; exit; fi
            exec \(bpftracePath) "$@"
            """)
        let failure = try permanentFailure("interval:s:1 { printf(\"%d\", $nope); }", executable: old.path)
        #expect(failure == .tooOld(BpftraceVersion(major: 0, minor: 16)))
    }

    @Test func `one that does not tell its version is taken at its word`() throws {
        let silent = try Executable(
            """
            #!/bin/sh
            if [ "$1" = --version ]; then sleep 600; fi
            exec \(bpftracePath) "$@"
            """)
        let watched = try WatchedSession("interval:s:1 { printf(\"%d\", $nope); }", executable: silent.path)
        try watched.run(until: "the question") { $0.session?.question != nil }
        watched.skipToDeadline()
        #expect(watched.failures == [.script(line: 1, column: 29, text: "Undefined or undeclared variable: $nope")])
    }

    @Test func `a session that is stopped while its start fails is stopped`() throws {
        let silent = try Executable("#!/bin/sh\n[ \"$1\" = --version ] && exec sleep 600\nexit 1\n")
        let watched = try WatchedSession("", executable: silent.path)
        try watched.run(until: "the question") { $0.session?.question != nil }
        watched.session?.stop(now: watched.now)
        #expect(watched.state == .idle)
        #expect(watched.news == [.stopped])
    }

    // MARK: The script's file

    private struct Refusal: Error, CustomStringConvertible {
        let description = "/etc/x.bt is writable by others"
    }

    private func program(open: @escaping @Sendable () throws -> Int32) -> BpftraceProgram {
        BpftraceProgram(
            name: "mine", source: .file(open: open), executable: bpftracePath,
            readiness: .lines(["ready 1", "ready 2"]))
    }

    @Test func `a script that must not be run is not`() throws {
        let watched = try WatchedSession(program { throw Refusal() })
        #expect(watched.failures == [.scriptUnavailable("/etc/x.bt is writable by others")])
        #expect(watched.pid == 0)
    }

    @Test func `the opened file is what runs, whatever has its name by then`() throws {
        let script = try Executable(supervised(#"interval:ms:20 { printf("mine\n"); @printed = count(); }"#))
        let path = script.path
        let watched = try WatchedSession(
            program {
                let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
                unlink(path)
                return descriptor
            })
        try watched.run(until: "its line") { $0.texts.contains("mine") }
    }

    // MARK: Trying again

    @Test func `a script that ends again and again is given up, and tried rarely`() throws {
        let watched = try WatchedSession("BEGIN { exit(); }")
        for count in 1..<Supervision.breakerFailures {
            try watched.run(until: "failure \(count)") { $0.failures.count == count }
            watched.skipToDeadline()
        }
        try watched.run(until: "given up") { $0.failures.count == Supervision.breakerFailures }
        guard case .broken(.ended(status: 0, text: ""), let retryAt?) = watched.state else {
            Issue.record("\(watched.state)")
            return
        }
        #expect(retryAt > watched.now + 590 * second)
        watched.skipToDeadline()
        try watched.run(until: "the rare try") { $0.failures.count == Supervision.breakerFailures + 1 }
        #expect(watched.counts.restarts == UInt64(Supervision.breakerFailures))
        guard case .broken(_, _?) = watched.news.last else {
            Issue.record("\(watched.news)")
            return
        }
    }

    // MARK: Orphans

    @Test func `no process outlives a daemon that is killed`() async throws {
        let result = try await #require(
            processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]
        ) {
            let watched = try WatchedSession(supervised(""))
            try watched.runUntilReady()
            let pid = "child \(watched.pid)\n"
            write(1, pid, pid.utf8.count)
            kill(getpid(), SIGKILL)
        }
        let words = String(decoding: result.standardOutputContent, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        let position = try #require(words.firstIndex(of: "child"))
        let pid = try #require(Int32(words[position + 1]))
        // Its end shows when it does not hold a descriptor any more; whoever takes in orphans may leave a zombie.
        let end = boottime() + 10 * second
        while access("/proc/\(pid)/fd/3", F_OK) == 0 {
            try #require(boottime() < end, "bpftrace \(pid) lives on")
            sched_yield()
        }
    }
}
