import AnomalyModel
import DaemonConfig
import Detectors
import Testing
import TracingBackends

@testable import NetAnomalyDaemon

/// With real programs in the real kernel: root, and a kernel with type information.
@Suite(.serialized, .enabled(if: KernelRequirements.firstProblem() == nil))
struct DetectorRunnerTests {
    @Test(arguments: allDetectors.indices)
    func `started and stopped, every event is in the books`(index: Int) throws {
        let detector = allDetectors[index]
        var handled: [RuleName: UInt64] = [:]
        let runner = DetectorRunner(detector) { anomaly in
            if anomaly.kind == .event { handled[anomaly.rule.name, default: 0] += 1 }
        }
        #expect(!runner.isRunning && runner.probes.isEmpty && runner.descriptor == nil)
        // Twice: the books outlive a session.
        for _ in 0..<2 {
            runner.start(try configuration())
            #expect(runner.problem == nil && runner.isRunning && runner.descriptor != nil)
            #expect(runner.probes.count == detector.probes.count)
            #expect(runner.apply(try configuration("[Limits]\nDedupIntervalSec=1\n")))
            runner.drain(now: boottimeNanoseconds())
            try runner.sweep(now: boottimeNanoseconds())
            try runner.finishStop(now: boottimeNanoseconds(), deadline: 0) {}
            #expect(!runner.isRunning && runner.descriptor == nil && runner.nextSweep == nil)
        }
        for (number, rule) in detector.rules.enumerated() {
            let account = runner.account(of: rule.name)
            #expect(account == runner.kernelAccount(rule: number))
            #expect(account.seen == account.settled + (handled[rule.name] ?? 0), "\(rule.name)")
        }
        #expect(runner.undecodable == 0)
        // No other test makes such a packet.
        if let never = detector.rules.firstIndex(where: { $0.name.text == "gso-tunnel-without-encapsulation" }) {
            #expect(runner.kernelAccount(rule: never) == RuleAccount())
        }
    }

    @Test(arguments: ["MaxKeys=64", "MaxMemory=4096"])
    func `a table of another size takes another start`(size: String) throws {
        let runner = DetectorRunner(tunGSO) { _ in }
        runner.start(try configuration())
        #expect(runner.apply(try configuration("[Rule gso-tiny-size]\nEnabled=no\n")))
        #expect(!runner.apply(try configuration("[Limits]\n\(size)\n")))
        try runner.stop(now: boottimeNanoseconds()) {}
    }

    @Test func `a rule that is off is never judged`() throws {
        let runner = DetectorRunner(arp) { _ in Issue.record("every rule is off") }
        let text = arp.rules.map { "[Rule \($0.name)]\nEnabled=no\n" }.joined()
        runner.start(try configuration(text))
        try runner.stop(now: boottimeNanoseconds()) {}
        for number in arp.rules.indices { #expect(runner.kernelAccount(rule: number) == RuleAccount()) }
    }
}
