import AnomalyModel
import Detectors
import Glibc
public import NetAnomalyDaemon
import TracingBackends

/// `netanomalyd --self-test`: makes, in a network namespace of its own, each anomaly that can be made without harm, and
/// tells which of them the daemon's detectors see on this machine.
///
/// Needs no running daemon and disturbs none; writes to standard output alone.
public enum SelfTest {
    /// Runs it and prints the report.
    ///
    /// - Returns: failure when something was not seen that this kernel can show.
    public static func run(asJSON: Bool) -> ExitStatus {
        do throws(SelfTestFailure) {
            if let problem = KernelRequirements.firstProblem() { throw SelfTestFailure(problem) }
            let network = try TestNetwork()
            let observer = try Observer(namespace: network.inode)
            let report = Report(rows: try rows(network, observer), probes: observer.probes)
            Console.out(asJSON ? report.json.text + "\n" : report.text)
            return report.isFailure ? .failure : .success
        } catch {
            Console.error(error.description)
            return error.isPermission ? .notPermitted : .failure
        }
    }

    /// In the order of the detectors' rules; the cases are made in their own.
    private static func rows(_ network: TestNetwork, _ observer: Observer) throws(SelfTestFailure) -> [ReportRow] {
        var made: [RuleName: [ReportRow]] = [:]
        let cases = SelfTestPlan.cases.sorted { $0.warmUpNanoseconds < $1.warmUpNanoseconds }
        for selfTestCase in cases {
            guard let rule = allRules.first(where: { $0.name.text == selfTestCase.rule }) else { continue }
            let outcome = try outcome(of: selfTestCase, rule, network, observer)
            made[rule.name, default: []].append(
                ReportRow(rule: selfTestCase.rule, means: selfTestCase.means, outcome: outcome))
        }
        return allRules.flatMap { rule in
            made[rule.name] ?? [ReportRow(rule: rule.name.text, means: nil, outcome: SelfTestPlan.notMade(rule))]
        }
    }

    private static func outcome(
        of selfTestCase: SelfTestCase, _ rule: Rule, _ network: TestNetwork, _ observer: Observer
    ) throws(SelfTestFailure) -> Outcome {
        if let outcome = blindness(of: rule, observer) { return outcome }
        sleep(until: observer.startedNanoseconds + selfTestCase.warmUpNanoseconds)
        if !rule.isEnabledByDefault { try observer.judge(offByDefault: true) }
        observer.forget()
        let outcome: Outcome
        do {
            try selfTestCase.make(network, Int(rule.threshold?.defaultValue ?? 0))
            let deadline = boottimeNanoseconds() + selfTestCase.patienceNanoseconds
            let sighting = observer.wait(for: rule.name, until: deadline)
            outcome = sighting.map { .seen(hook: $0.hook, afterNanoseconds: $0.afterNanoseconds) } ?? .notSeen
        } catch CaseProblem.kernelRefuses(let reason) {
            outcome = .notMade(reason: reason)
        } catch CaseProblem.failed(let reason) {
            outcome = .failed(reason: reason)
        } catch {
            outcome = .failed(reason: "\(error)")
        }
        if !rule.isEnabledByDefault { try observer.judge(offByDefault: false) }
        return outcome
    }

    /// Why a rule cannot be seen; nil if at least one of its probes is attached.
    ///
    /// A hook that this kernel does not have explains it, a program that it refuses does not.
    private static func blindness(of rule: Rule, _ observer: Observer) -> Outcome? {
        let states = observer.probes.filter { $0.probe.rules.contains(rule.name) }.map(\.state)
        if states.contains(.attached) { return nil }
        for case .failed(let reason) in states { return .failed(reason: reason) }
        return .blind(reason: states.first?.reason ?? "no probe is known")
    }

    private static func sleep(until time: UInt64) {
        while true {
            let now = boottimeNanoseconds()
            guard now < time else { return }
            poll(nil, 0, CInt((time - now) / 1_000_000 + 1))
        }
    }
}

/// Every case there is, and why some rules have none.
enum SelfTestPlan {
    static var cases: [SelfTestCase] { ArpCases.all + GSOCases.all }

    /// For a rule without a case; one that nobody thought of is a failure.
    static func notMade(_ rule: Rule) -> Outcome {
        let reason = ArpCases.notMade[rule.name.text] ?? GSOCases.notMade[rule.name.text]
        return reason.map { .notMade(reason: $0) } ?? .failed(reason: "this version does not know how to make it")
    }
}
