import AnomalyModel
import DaemonConfig
import Detectors
import EventPipeline
import Glibc
import NetAnomalyControl
import Testing

@testable import NetAnomalyDaemon
@testable import TracingBackends

private let bpftracePath = getenv("BPFTRACE").map { String(cString: $0) } ?? "/usr/bin/bpftrace"
private let canRunBpftrace = access(bpftracePath, X_OK) == 0 && geteuid() == 0

/// A source's way into the daemon, with what came by it.
private final class Ears {
    var notices: [DaemonNotice] = []
    var anomalies: [Anomaly] = []

    var sink: EventSink {
        EventSink(
            settle: { _ in false }, seen: { rule in UInt64(self.anomalies.filter { $0.rule.name == rule }.count) },
            handle: { self.anomalies.append($0) }, tell: { self.notices.append($0) })
    }

    func messages(_ identity: (RuleName, MessageID)) -> [String] {
        notices.filter { $0.rule == identity.0 }.map(\.message)
    }
}

/// Lets a source work until the condition holds; a start takes a second, more where the machine is busy.
private func run(_ source: any EventSource, until what: String, _ condition: () -> Bool) throws {
    let end = boottimeNanoseconds() + 60 * second
    while !condition() {
        try #require(boottimeNanoseconds() < end, "not within a minute: \(what); \(source.problem ?? "no problem")")
        var request = pollfd(fd: source.descriptor ?? -1, events: Int16(POLLIN), revents: 0)
        poll(&request, 1, 10)
        source.drain(now: boottimeNanoseconds())
        try source.tick(now: boottimeNanoseconds())
    }
}

private func stop(_ source: any EventSource) throws {
    source.beginStop(now: boottimeNanoseconds())
    try source.finishStop(now: boottimeNanoseconds(), deadline: boottimeNanoseconds() + 10 * second) {}
}

private func scripted(_ detector: any Detector.Type, _ ears: Ears) throws -> any EventSource {
    func make<D: BpftraceDetector>(_ detector: D.Type) -> any EventSource {
        ScriptedDetector(detector, dropReasons: DropReasons(), sink: ears.sink)
    }
    guard let detector = detector as? any BpftraceDetector.Type else { throw CannotPrepare() }
    return make(detector)
}

/// A script that only root can write: the daemon takes no other.
final class RootOnlyScript {
    let path: String

    init(_ text: String) throws {
        // Not in /tmp, to which everybody may write.
        var template = Array("/run/netanomalyd-test-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw CannotPrepare() }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        write(descriptor, text, text.utf8.count)
        close(descriptor)
    }

    deinit { unlink(path) }
}

/// Detectors and scripts of one's own under bpftrace, as the daemon's loop sees them.
@Suite(.serialized) struct ScriptedSourceTests {
    private let ears = Ears()

    // MARK: Without bpftrace

    private static let absent = "[Daemon]\nBackend=bpftrace\nBpftracePath=/nonexistent/bpftrace\n"
    private static let ownScript = "[Script tcp]\nPath=/nonexistent/tcp.bt\n"

    private func ownScript(_ configuration: Configuration) throws -> OwnScript {
        let settings = try #require(configuration.scripts.first)
        return OwnScript(settings, sink: ears.sink) { ears.anomalies.append($0) }
    }

    @Test(arguments: allDetectors.indices)
    func `before its start a detector asks for nothing`(index: Int) throws {
        let source = try scripted(allDetectors[index], ears)
        #expect(source.title == allDetectors[index].name.text && source.backend == .bpftrace)
        #expect(!source.isRunning && !source.isStarting && !source.isBusy && source.problem == nil)
        #expect(source.descriptor == nil && source.nextDeadline == nil && source.probes.isEmpty)
        #expect(source.rules.map(\.name) == allDetectors[index].rules.map(\.name) && source.lostUnjudged == 0)
        #expect(source.isWanted(by: try configuration()))
        try stop(source)
        #expect(ears.notices.isEmpty)
    }

    @Test func `without bpftrace a detector says so once and waits for a reload`() throws {
        let source = try scripted(arp, ears)
        source.start(try configuration(Self.absent))
        try run(source, until: "a problem") { source.problem != nil }
        let problem = "/nonexistent/bpftrace is not there: install bpftrace, or set BpftracePath="
        #expect(source.problem == problem && !source.isPermissionProblem && !source.isStarting && !source.isRunning)
        #expect(source.probes.count == arp.probes.count)
        #expect(source.probes.allSatisfy { $0.state == .failed(problem) })
        #expect(source.nextDeadline == nil)
        #expect(ears.notices.map(\.message) == ["Not watched: arp. \(problem). It is tried again at the next reload"])
        #expect(JSON.object(source.statusMembers).text.contains("\"state\":\"broken\""))
        try stop(source)
        #expect(ears.notices.count == 1)
    }

    @Test func `a script that cannot be read says why`() throws {
        let configuration = try configuration(Self.ownScript)
        let source = try ownScript(configuration)
        #expect(source.title == "script tcp" && source.detectorName == ScriptRules.detector && source.probes.isEmpty)
        #expect(source.isWanted(by: configuration))
        #expect(!source.isWanted(by: try NetAnomalyDaemonTests.configuration()))
        source.start(configuration)
        try run(source, until: "a problem") { source.problem != nil }
        #expect(
            ears.messages(Notices.backendDegraded).first?.contains("Not watched: script tcp. The script is not run: ")
                == true)
        #expect(source.nextDeadline == nil && source.lostUnjudged == 0 && source.rules.isEmpty)
        try stop(source)
    }

    @Test func `settings that a script need not be started again for`() throws {
        let source = try ownScript(try configuration(Self.ownScript))
        source.start(try configuration(Self.ownScript))
        #expect(source.apply(try configuration(Self.ownScript + "Priority=err\nKeyFields=daddr\nDedupIntervalSec=5\n")))
        #expect(source.settings.priority == .error)
        #expect(!source.apply(try configuration(Self.ownScript + "Arguments=1\n")))
        #expect(!source.apply(try configuration("[Script tcp]\nPath=/nonexistent/other.bt\n")))
        try stop(source)
    }

    // MARK: With bpftrace

    private static let real = "[Daemon]\nBackend=bpftrace\nBpftracePath=\(bpftracePath)\n"

    @Test(.enabled(if: canRunBpftrace), arguments: allDetectors.indices)
    func `a detector watches until it is stopped, and its books stay`(index: Int) throws {
        let source = try scripted(allDetectors[index], ears)
        source.start(try configuration(Self.real))
        #expect(source.isStarting && !source.isRunning && source.descriptor != nil)
        try run(source, until: "running") { source.isRunning }
        #expect(!source.isStarting && source.problem == nil && source.nextDeadline != nil)
        #expect(source.probes.allSatisfy { $0.state == .attached || $0.probe.hook == "kfree_skb" })
        #expect(source.apply(try configuration(Self.real + "[Rule arp-scan]\nMaxTargets=9\n")))
        let traced = try configuration(Self.real + "[Rule gso-trace]\nEnabled=yes\n")
        #expect(source.apply(traced) == (index == 0), "only the script about GSO has to know")
        let status = JSON.object(source.statusMembers).text
        #expect(status.contains("\"undecodable\":0") && status.contains("\"state\":\"running\",\"pid\":"))
        try stop(source)
        #expect(!source.isRunning && source.descriptor == nil && source.nextDeadline == nil)
        #expect(JSON.object(source.statusMembers).text.contains("\"bpftrace\":{\"state\":\"stopped\""))
        #expect(ears.messages(Notices.backendFailed).isEmpty && ears.messages(Notices.backendDegraded).isEmpty)
    }

    @Test(.enabled(if: canRunBpftrace)) func `reports of a script become anomalies, and the rest is counted`() throws {
        let file = try RootOnlyScript(
            #"""
            BEGIN { printf("# for people\n"); printf("no report\n"); printf("nor this\n"); }
            interval:ms:50 { printf("rule=tcp-storm daddr=192.0.2.1 count=%d\n", $1); print(("message", "a tuple", "x", 7)); }
            """#)
        let configuration = try configuration(
            Self.real + "[Script tcp]\nPath=\(file.path)\nArguments=42\nPriority=err\n")
        let source = try ownScript(configuration)
        source.start(configuration)
        try run(source, until: "reports of both kinds") {
            Set(ears.anomalies.map(\.rule.name.text)) == ["tcp", "tcp-storm"] && source.isRunning
        }
        let storm = try #require(ears.anomalies.first { $0.rule.name == RuleName("tcp-storm") })
        #expect(storm.backend == "bpftrace" && storm.priority == .error && storm.rule.detector == ScriptRules.detector)
        #expect(storm.fields.map(\.value) == ["192.0.2.1", "42"])
        #expect(ears.anomalies.first { $0.rule.name == RuleName("tcp") }?.message == "a tuple")
        #expect(source.rules.map(\.name.text) == ["tcp", "tcp-storm"])
        try stop(source)
        let count = ears.anomalies.filter { $0.rule.name == storm.rule.name }.count
        #expect(source.account(of: storm.rule.name).seen == UInt64(count))
        #expect(ears.messages(Notices.scriptUnreadable).count == 1, "the first is told")
        #expect(JSON.object(source.statusMembers).text.contains("\"unreadable_reports\":2"))
        #expect(source.lostUnjudged >= 2)
    }

    @Test(.enabled(if: canRunBpftrace)) func `a script that is killed is told, and started again`() throws {
        let file = try RootOnlyScript("interval:ms:50 { printf(\"message=x\\n\"); }\n")
        let configuration = try configuration(Self.real + "[Script tcp]\nPath=\(file.path)\n")
        let source = try ownScript(configuration)
        source.start(configuration)
        try run(source, until: "running") { source.isRunning && !ears.anomalies.isEmpty }
        let status = JSON.object(source.statusMembers).text
        let pid = try #require(status.firstMatch(of: /"pid":([0-9]+)/).flatMap { Int32($0.1) })
        kill(pid, SIGKILL)
        try run(source, until: "another") { !ears.messages(Notices.backendRestarted).isEmpty }
        #expect(
            ears.messages(Notices.backendFailed).first?.hasPrefix("Not watched for the moment: script tcp. ") == true)
        #expect(ears.messages(Notices.backendRestarted).first?.contains("was not watched for ") == true)
        #expect(JSON.object(source.statusMembers).text.contains("\"restarts\":1"))
        try stop(source)
    }
}
