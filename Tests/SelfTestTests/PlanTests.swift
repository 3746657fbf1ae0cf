import AnomalyModel
import Detectors
import Testing

@testable import SelfTest

@Suite struct PlanTests {
    private let made = Set(SelfTestPlan.cases.map(\.rule))
    private let reasons = ArpCases.notMade.merging(GSOCases.notMade) { first, _ in first }

    @Test(arguments: allRules.map(\.name.text))
    func `every rule is made, or it is said why not`(rule: String) {
        #expect(made.contains(rule) != (reasons[rule] != nil), "\(rule) needs a case or a reason, not both")
    }

    @Test func `a rule that nobody thought of is a failure`() throws {
        let unknown = Rule(
            "arp-unheard-of", detector: DetectorName("arp"), messageID: "", priority: .info, summary: "nothing")
        #expect(SelfTestPlan.notMade(unknown).isFailure)
        let known = try #require(allRules.first { $0.name.text == "arp-table-overflow" })
        #expect(!SelfTestPlan.notMade(known).isFailure)
    }

    @Test func `no two cases say the same`() {
        let lines = SelfTestPlan.cases.map { "\($0.rule): \($0.means)" }
        #expect(Set(lines).count == lines.count && SelfTestPlan.cases.allSatisfy { !$0.means.isEmpty })
    }

    /// Within a second of the start a reply counts as asked for.
    @Test func `the reply that nobody asked for comes last`() {
        let late = SelfTestPlan.cases.filter { $0.warmUpNanoseconds > 0 }
        #expect(late.map(\.rule) == ["arp-unsolicited-reply"] && late[0].warmUpNanoseconds > 1_000_000_000)
    }

    @Test func `addresses and stations are those for documentation`() {
        #expect(TestNetwork.host(7).description == "192.0.2.7")
        #expect(TestNetwork.beyond(7).description == "198.51.100.7")
        #expect(TestNetwork.foreign.description == "203.0.113.9")
        #expect(TestNetwork.station(255).description == "00:00:5e:00:53:ff")
    }
}
