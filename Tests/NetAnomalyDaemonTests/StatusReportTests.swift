import AnomalyModel
import DaemonConfig
import Detectors
import EventPipeline
import NetAnomalyControl
import SystemdProtocols
import Testing

@testable import NetAnomalyDaemon

@Suite struct StatusReportTests {
    private let folder: TemporaryFolder
    private let path: EventPath

    init() throws {
        folder = try TemporaryFolder()
        path = EventPath(
            try configuration(), transport: try JournalSocket(path: folder.socket), namer: nil,
            memory: try StateMemory(), isKept: false)
    }

    private func report(
        _ text: String = "", path: EventPath? = nil, accounts: [RuleName: RuleAccount] = [:], problem: String? = nil,
        journalProblem: String? = nil
    ) throws -> StatusReport {
        StatusReport(
            configuration: try configuration(text), sources: allDetectors.map { DetectorRunner($0) { _ in } },
            backend: "libbpf",
            books: Books(accounts: allRules.map { ($0.name, accounts[$0.name] ?? RuleAccount()) }),
            path: path ?? self.path, outputKind: .journal, startedNanoseconds: 7, reloadProblem: problem,
            journalProblem: journalProblem)
    }

    @Test func `every rule has its account under the contract's keys`() throws {
        let json = try report().json.text
        let keys = [
            "seen", "written", "deduplicated", "limited", "overflow", "lost_ring", "lost_journal", "pending", "trusted",
        ]
        let account = keys.map { "\"\($0)\":0" }.joined(separator: ",")
        for rule in allRules {
            #expect(json.contains("\"\(rule.name)\":{\"enabled\":\(rule.isEnabledByDefault),\(account)}"))
        }
        let status = try Status(json: json)
        #expect(Set(status.rules.keys) == Set(allRules.map(\.name.text)))
        #expect(status.configuration.allSatisfy { $0.origin == "default" } && !status.configuration.isEmpty)
        #expect((status.startedBoottimeNs, status.nextSeq, status.backend) == (7, 1, "libbpf"))
        #expect(!status.namesFrames && status.reloadProblem == nil)
        #expect(Set(status.output.lost.keys) == Set(LossCause.allCases.map(\.rawValue)))
        for detector in status.detectors {
            #expect((detector.forgotten, detector.kernelMemoryBytes) == (0, 0), "it does not run")
        }
    }

    @Test func `counts arrive unrounded`() throws {
        var account = RuleAccount()
        (account.seen, account.written, account.trusted) = (.max, (1 << 53) + 1, (1 << 53) + 3)
        let rule = RuleName("gso-tiny-size")
        let status = try Status(json: try report(accounts: [rule: account]).json.text)
        #expect(status.rules[rule.text]?.seen == .max)
        #expect(status.rules[rule.text]?.written == (1 << 53) + 1)
        #expect(status.rules[rule.text]?.pending == UInt64.max - (1 << 53) - 1)
        #expect(status.rules[rule.text]?.trusted == (1 << 53) + 3)
    }

    @Test(arguments: [
        ("", "degraded"), ("[ARP]\nEnabled=no\n", "degraded"), ("[ARP]\nEnabled=no\n[TunGSO]\nEnabled=no\n", "stopped"),
    ])
    func `detectors that should run and do not are a degraded state`(text: String, state: String) throws {
        #expect(try report(text).state == state)
    }

    @Test func `an output that is away is named with its reason`() throws {
        var path = path
        path.write(Notices.stopped(reason: "test", goesOn: false), now: 1)
        let status = try Status(json: try report(path: path).json.text)
        #expect(status.output.unreachable == "No such file or directory" && status.output.waiting == 1)
        #expect(status.nextSeq == 2)
    }

    @Test func `text of others is quoted`() throws {
        let problem = "a \"quoted\" \\ path\n\u{1b}\u{0} é"
        let json = try report(problem: problem).json.text
        #expect(!json.utf8.contains { $0 < 0x20 })
        #expect(try Status(json: json).reloadProblem == problem)
    }

    @Test func `a journal that keeps nothing is told with the output`() throws {
        #expect(try report(journalProblem: "deaf").json.text.contains("\"problem\":\"deaf\",\"lost\":{"))
        #expect(try !report().json.text.contains("\"problem\""))
    }
}
