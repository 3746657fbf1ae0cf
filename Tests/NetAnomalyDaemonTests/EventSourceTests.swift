import AnomalyModel
import DaemonConfig
import Detectors
import Testing
import TracingBackends

@testable import NetAnomalyDaemon

/// A detector's programs in the kernel, as the daemon's loop sees them.
@Suite struct EventSourceTests {
    private let source: any EventSource = DetectorRunner(arp) { _ in }

    @Test func `before its start a source asks for nothing and is in no trouble`() {
        #expect(source.title == "arp" && source.detectorName == arp.name && source.backend == .libbpf)
        #expect(source.rules.map(\.name) == arp.rules.map(\.name))
        #expect(!source.isRunning && !source.isStarting && source.problem == nil && !source.isPermissionProblem)
        #expect(source.descriptor == nil && source.nextDeadline == nil && source.lostUnjudged == 0)
        #expect(source.probes.isEmpty && source.account(of: arp.rules[0].name) == RuleAccount())
        #expect(source.account(of: RuleName("of-another")) == RuleAccount())
    }

    @Test(arguments: [("", true), ("[ARP]\nEnabled=no\n", false), ("[TunGSO]\nEnabled=no\n", true)])
    func `it is wanted while its section is enabled`(text: String, isWanted: Bool) throws {
        #expect(source.isWanted(by: try configuration(text)) == isWanted)
    }

    @Test func `its status has what only the kernel knows`() {
        #expect(
            source.statusMembers.map(\.0) == ["keys", "missed", "undecodable", "forgotten", "kernel_memory_bytes"])
        #expect(JSON.object(source.statusMembers).text.contains("\"keys\":0"))
    }

    @Test func `what was never started can be stopped`() throws {
        var portions = 0
        source.beginStop(now: 1)
        try source.finishStop(now: 1, deadline: 2) { portions += 1 }
        #expect(portions == 0 && !source.isRunning)
    }
}
