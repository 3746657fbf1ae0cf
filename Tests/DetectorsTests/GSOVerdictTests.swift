import AnomalyModel
import CDetectorEvents
import Detectors
import Testing

/// What comes of all predicates together: `tun_gso_judge.h`.
@Suite struct GSOVerdictTests {
    private static let stages = [GSO_STAGE_RECEIVED, GSO_STAGE_QUEUED, GSO_STAGE_HANDED_OVER]

    private func verdict(_ facts: gso_facts, at stage: gso_stage) -> gso_verdict {
        var (facts, verdict) = (facts, gso_verdict())
        facts.stage = UInt8(stage.rawValue)
        gso_judge_packet(&facts, 48, &verdict)
        return verdict
    }

    private func names(_ rules: UInt32) -> [String] {
        tunGSO.rules.indices.filter { rules & 1 << UInt32($0) != 0 }.map { tunGSO.rules[$0].name.text }
    }

    @Test(arguments: stages) func healthyPacketsBreakNothing(_ stage: gso_stage) {
        let changes: [(inout gso_facts) -> Void] = [
            { _ in }, { $0.becomeUDP() }, { ($0.size, $0.segs, $0.length) = (0, 1, 40) },
            {
                $0.enterTunnel()
                $0.mtu += 50
            },
        ]
        for change in changes {
            var facts = healthyGSOFacts()
            change(&facts)
            if stage == GSO_STAGE_RECEIVED, facts.size != 0 { facts.comeFromOwner() }
            // An acknowledgement carries its socket's type; from an owner it comes without.
            if stage == GSO_STAGE_RECEIVED, facts.size == 0 { facts.type = 0 }
            #expect(names(verdict(facts, at: stage).rules) == [])
        }
    }

    /// A packet that breaks each rule that a packet can break, among others.
    private static let breaking: [(String, @Sendable (inout gso_facts) -> Void)] = [
        ("gso-size-without-type", { $0.type = 0 }),
        ("gso-type-without-size", { ($0.type, $0.size) = (GSO_UDP_L4.rawValue, 0) }),
        ("gso-by-frags", { $0.size = 65535 }),
        ("gso-tunnel-without-encapsulation", { $0.type |= GSO_GRE.rawValue }),
        ("gso-unsupported-type", { $0.features = 0 }),
        ("gso-mixed-types", { $0.type |= GSO_TCPV6.rawValue }),
        ("gso-ip-mismatch", { $0.ip_version = 6 }),
        ("gso-l4-mismatch", { $0.l4_protocol = 17 }),
        ("gso-tiny-size", { ($0.size, $0.segs) = (47, 93) }),
        ("gso-ecn-without-tcp", { $0.type = types(GSO_UDP, GSO_TCP_ECN) }),
        ("gso-checksum-start", { $0.checksum_start = 1000 }),
        ("gso-length-mismatch", { $0.told_length = 100 }),
        ("gso-size-exceeds-payload", { $0.length = 100 }),
        ("gso-segs-mismatch", { $0.segs = 4 }),
        ("gso-size-exceeds-mtu", { $0.mtu = 1487 }),
        ("gso-ufo", { $0.type = GSO_UDP.rawValue }),
        ("gso-without-checksum", { ($0.ip_summed, $0.from_owner) = (0, 1) }),
        ("gso-short-header", { ($0.linear_end, $0.from_owner) = (83, 1) }),
    ]

    @Test func everyRuleAboutAPacketIsJudged() {
        let apart = ["gso-read-failed", "gso-header-rejected", "gso-segmentation-refused", "gso-trace"]
        #expect(Set(Self.breaking.map(\.0) + apart) == Set(tunGSO.rules.map(\.name.text)))
    }

    /// A packet passes both places on its way out, and counts once.
    @Test(arguments: breaking.map(\.0)) func aRuleIsJudgedAtOnePlaceOnTheWayOut(_ rule: String) throws {
        let change = try #require(Self.breaking.first { $0.0 == rule }).1
        var facts = healthyGSOFacts()
        change(&facts)
        let places = [GSO_STAGE_QUEUED, GSO_STAGE_HANDED_OVER].filter {
            names(verdict(facts, at: $0).rules).contains(rule)
        }
        #expect(places.count == 1)
    }

    @Test(arguments: stages) func theProbesNameTheRulesTheyJudge(_ stage: gso_stage) throws {
        let hook = [
            GSO_STAGE_RECEIVED: "netif_receive_skb_entry", GSO_STAGE_QUEUED: "net_dev_queue",
            GSO_STAGE_HANDED_OVER: "net_dev_start_xmit",
        ][stage]
        let probe = try #require(tunGSO.probes.first { $0.hook == hook })
        var broken: Set = ["gso-trace"]
        for (rule, change) in Self.breaking {
            var facts = healthyGSOFacts()
            change(&facts)
            if names(verdict(facts, at: stage).rules).contains(rule) { broken.insert(rule) }
        }
        #expect(Set(probe.rules.map(\.text)) == broken)
    }

    @Test func aPacketThatBreaksSeveralNamesThemAll() {
        var facts = healthyGSOFacts()
        facts.comeFromOwner()
        (facts.size, facts.told_length, facts.checksum_start, facts.ip_version) = (7, 100, 1000, 6)
        let verdict = verdict(facts, at: GSO_STAGE_RECEIVED)
        #expect(
            names(verdict.rules) == ["gso-ip-mismatch", "gso-tiny-size", "gso-checksum-start", "gso-length-mismatch"])
        #expect(gso_most_telling(verdict.rules) == GSO_RULE_IP_MISMATCH.rawValue)
        let details = withUnsafeBytes(of: verdict.details) { Array($0) }
        #expect(details[Int(GSO_RULE_TINY_SIZE.rawValue)] == UInt8(GSO_DETAIL_MINUTE.rawValue))
        #expect(details[Int(GSO_RULE_IP_MISMATCH.rawValue)] == UInt8(GSO_DETAIL_TCPV4_ON_OTHER.rawValue))
        #expect(details[Int(GSO_RULE_LENGTH_MISMATCH.rawValue)] == UInt8(GSO_DETAIL_NONE.rawValue))
    }

    @Test func theMostTellingRuleIsNeverLessUrgentThanTheOthers() {
        let priorities = tunGSO.rules.map(\.priority)
        #expect(priorities == priorities.sorted())
    }

    @Test(arguments: [
        (GSO_RULE_CHECKSUM_START, GSO_DETAIL_CHECKSUM_START, UInt32(936), UInt32(20)),
        (GSO_RULE_CHECKSUM_START, GSO_DETAIL_CHECKSUM_FIELD, 9, 16),
        (GSO_RULE_LENGTH_MISMATCH, GSO_DETAIL_NONE, 100, 4384),
        (GSO_RULE_SIZE_EXCEEDS_PAYLOAD, GSO_DETAIL_NONE, 1000, 4344),
        (GSO_RULE_SEGS_MISMATCH, GSO_DETAIL_SEGS_COUNT, 3, 5),
        (GSO_RULE_SEGS_MISMATCH, GSO_DETAIL_SEGS_TOO_MANY, 5, 128),
        (GSO_RULE_SIZE_EXCEEDS_MTU, GSO_DETAIL_MTU_SENT, 1040, 1500),
        (GSO_RULE_TINY_SIZE, GSO_DETAIL_TINY, 0, 0),
    ])
    func anEntryHasTheNumbersThatTheRuleCompares(
        _ rule: gso_rule, _ detail: gso_detail, _ found: UInt32, _ expected: UInt32
    ) {
        var (facts, numbers) = (healthyGSOFacts(), gso_numbers())
        (facts.checksum_start, facts.checksum_offset, facts.told_length, facts.size) = (1000, 9, 100, 1000)
        gso_compared(&facts, rule.rawValue, detail.rawValue, &numbers)
        #expect(numbers.found == found && numbers.expected == expected)
    }

    @Test func aPacketWithoutASizeHasNoSegmentsToCount() {
        var (facts, numbers) = (healthyGSOFacts(), gso_numbers())
        facts.size = 0
        gso_compared(&facts, GSO_RULE_SEGS_MISMATCH.rawValue, GSO_DETAIL_SEGS_COUNT.rawValue, &numbers)
        #expect(numbers.found == 0 && numbers.expected == 0)
    }
}
