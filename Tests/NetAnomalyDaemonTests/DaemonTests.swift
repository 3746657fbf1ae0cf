import AnomalyModel
import DaemonConfig
import Detectors
import Glibc
import NetAnomalyControl
import SystemdProtocols
import Testing
import TracingBackends

@testable import NetAnomalyDaemon

extension SocketSuites {
    /// A daemon that watches nothing: what it answers, and what a reload does to it.
    @Suite struct DaemonTests {
        private static let watchingNothing = "[ARP]\nEnabled=no\n[TunGSO]\nEnabled=no\n"
        private let folder: TemporaryFolder
        private let daemon: Daemon

        init() throws {
            folder = try TemporaryFolder()
            try folder.write(Self.watchingNothing)
            var options = DaemonOptions()
            options.configurationPath = folder.file
            options.controlPath = folder.socket
            options.output = .journal
            let configuration = try Configuration.load(path: folder.file, rules: allRules)
            daemon = try Daemon(options, configuration, loop: try quietLoop())
            // Not into this machine's journal: what is written waits for one that never comes.
            let nowhere = try JournalSocket(path: folder.path + "/journal")
            daemon.path = EventPath(
                configuration, transport: nowhere, namer: nil, memory: try StateMemory(), isKept: false)
            daemon.sources = allDetectors.map { DetectorRunner($0) { _ in } }
            guard daemon.settleStart() else { throw CannotPrepare() }
        }

        @Test func `status is a report that the operator's tool understands`() throws {
            let status = try Status(json: daemon.answer("status"))
            #expect(status.state == "stopped" && status.version == daemonVersion && status.output.kind == "journal")
            #expect(status.detectors.map(\.name) == ["arp", "tun-gso"])
            #expect(status.detectors.allSatisfy { !$0.enabled && !$0.running })
        }

        @Test(arguments: ["", "Status", "status ", "reload now", "\u{1b}[2J"])
        func `what is no request is refused in words`(request: String) {
            let answer = daemon.answer(request)
            #expect(answer.hasPrefix("error\nunknown request '") && answer.hasSuffix("': there are status and reload"))
            #expect(!answer.contains("\u{1b}"))
        }

        @Test func `a bad configuration is refused and the old one stays`() throws {
            let before = daemon.configuration
            try folder.write("[Limits]\nMaxKeys=many\nBurst=1\n")
            let answer = daemon.answer("reload")
            let problem = "\(folder.file):2:9: error: "
            #expect(answer.hasPrefix("refused\n\(problem)") && answer.split(separator: "\n").count == 3)
            #expect(daemon.configuration == before)
            let status = try Status(json: daemon.answer("status"))
            #expect(status.reloadProblem?.hasPrefix(problem) == true)
            #expect(daemon.statusText.hasPrefix("Running with the old configuration: \(problem)"))
        }

        @Test func `a good configuration comes into force and clears the complaint`() throws {
            try folder.write("nonsense\n")
            #expect(daemon.answer("reload").hasPrefix("refused\n"))
            try folder.write(Self.watchingNothing + "[Limits]\nMaxKeys=64\n")
            #expect(daemon.answer("reload") == "applied")
            #expect(daemon.configuration.limits.maxKeys == 64)
            #expect(try Status(json: daemon.answer("status")).reloadProblem == nil)
            #expect(daemon.statusText == "Watching: 0 of 0 probes, 0 entries, 0 lost" && !daemon.isStarting)
        }

        @Test func `a configuration that is gone is refused`() {
            unlink(folder.file)
            #expect(daemon.answer("reload").hasPrefix("refused\n\(folder.file):1:1: error: "))
        }

        @Test(.enabled(if: geteuid() == 0)) func `a script comes and goes with a reload`() throws {
            let script = try RootOnlyScript("BEGIN { exit(); }\n")
            let absent = "[Daemon]\nBpftracePath=/nonexistent/bpftrace\n"
            try folder.write(Self.watchingNothing + absent + "[Script tcp]\nPath=\(script.path)\n")
            #expect(daemon.answer("reload") == "applied")
            let status = try Status(json: daemon.answer("status"))
            #expect(status.detectors.map(\.name) == ["arp", "tun-gso", "script tcp"] && status.state == "degraded")
            let told = try #require(status.detectors.last)
            #expect(told.enabled && !told.running && told.backend == "bpftrace" && told.problem != nil)
            #expect(told.unreadableReports == 0 && told.bpftrace?.state == "broken")
            #expect(daemon.statusText.hasPrefix("Degraded: 0 of 0 probes, 0 of 1 scripts, "))
            try folder.write(Self.watchingNothing)
            #expect(daemon.answer("reload") == "applied")
            #expect(try Status(json: daemon.answer("status")).detectors.count == 2 && daemon.carried.isEmpty)
            #expect(daemon.statusText.hasPrefix("Watching: 0 of 0 probes, "))
        }

        @Test func `another backend waits for the next start`() throws {
            try folder.write(Self.watchingNothing + "[Daemon]\nBackend=bpftrace\n")
            #expect(daemon.answer("reload") == "applied")
            #expect(daemon.sources.allSatisfy { $0.backend == .libbpf })
        }

        @Test(arguments: ["", "[ARP]\nEnabled=no\n"])
        func `where bpftrace is wanted and is not there, the start fails with the reason`(text: String) throws {
            try folder.write("[Daemon]\nBackend=bpftrace\nBpftracePath=/nonexistent/bpftrace\n" + text)
            daemon.configuration = try Configuration.load(path: folder.file, rules: allRules)
            daemon.sources = []
            let problem = try #require(daemon.start())
            #expect(problem.description.hasPrefix("/nonexistent/bpftrace is not there: ") && !problem.isPermission)
            #expect(daemon.sources.map(\.backend) == [.bpftrace, .bpftrace] && daemon.path.backend == "bpftrace")
        }

        @Test func `waiting for the output takes no signal from the loop`() {
            for _ in 0..<3000 { daemon.write(Notices.stopped(reason: "test", goesOn: false)) }
            var hangUp = sigset_t()
            sigemptyset(&hangUp)
            sigaddset(&hangUp, SIGHUP)
            pthread_sigmask(SIG_BLOCK, &hangUp, nil)
            pthread_kill(pthread_self(), SIGHUP)
            let deadline = boottimeNanoseconds() + 2_000_000
            daemon.letOutputCatchUp(until: deadline)
            #expect(boottimeNanoseconds() >= deadline && daemon.path.output.waiting == 3001, "with the start's")
            #expect(daemon.loop.wait(until: 0, now: 1) == [.signal(SIGHUP)])
            // If the loop did not have it, the test process must not die of it.
            var noTime = timespec()
            sigtimedwait(&hangUp, nil, &noTime)
            pthread_sigmask(SIG_UNBLOCK, &hangUp, nil)
        }

        @Test func `a stop closes the control socket`() {
            #expect(access(folder.socket, F_OK) == 0)
            daemon.control = nil
            #expect(access(folder.socket, F_OK) != 0)
        }
    }
}
