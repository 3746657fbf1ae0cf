import AnomalyModel
import CDetectorEvents
import Detectors
import Testing

/// What the arp detector says of an event of each rule and sub-case, word for word, and the fields beside it.
@Suite struct ArpSentenceTests {
    private static let cases = ArpSentenceCase.headers + ArpSentenceCase.repetitions

    @Test(arguments: cases) func anEventIsToldInOneSentence(_ line: ArpSentenceCase) throws {
        var event = sampleArpEvent(line.rule, detail: line.detail)
        line.change(&event)
        #expect(try decode(event, as: arp).message == line.testDescription)
    }

    private struct Subcase: Hashable {
        let rule: UInt32
        let detail: UInt32

        init(_ rule: arp_rule, _ detail: arp_detail) { (self.rule, self.detail) = (rule.rawValue, detail.rawValue) }
    }

    @Test func everySubCaseHasASentence() throws {
        let known = arpSubcases.map { Subcase($0.rule, $0.detail) }
        #expect(Set(known).count == known.count)
        #expect(Set(known.map(\.rule)) == Set(0..<ARP_RULE_COUNT.rawValue))
        let header = try repositoryFile("Sources/Detectors/bpf/include/arp_event.h")
        let details = header.matches(of: /ARP_DETAIL_[A-Z_]+ = ([0-9]+)/).compactMap { UInt32($0.1) }
        #expect(Set(known.map(\.detail)) == Set(details))
        #expect(Set(Self.cases.map { Subcase($0.rule, $0.detail) }) == Set(known))
    }

    @Test func everySubCaseHasAWordForScriptsThatIsItsRulesOwn() throws {
        var words: [RuleName: Set<String>] = [:]
        for (rule, detail) in arpSubcases {
            let anomaly = try decode(sampleArpEvent(rule, detail: detail), as: arp)
            let word = anomaly.fields.first { $0.name == FieldName.detail.rawValue }?.value
            #expect((word == nil) == (detail == ARP_DETAIL_NONE), "\(anomaly.rule.name) \(detail)")
            #expect(words[anomaly.rule.name, default: []].insert(word ?? "").inserted, "\(anomaly.rule.name) \(detail)")
        }
    }

    @Test func aFramesFieldsAreThoseOfItsHeaders() throws {
        var event = sampleArpEvent(ARP_RULE_SENDER_MISMATCH)
        event.vlan = 5
        #expect(
            try decode(event, as: arp).fieldLines == [
                "ARP_OP=reply", "ARP_SENDER_MAC=02:66:00:00:00:02", "ARP_SENDER_IP=192.0.2.1",
                "ARP_TARGET_MAC=02:66:00:00:00:09", "ARP_TARGET_IP=192.0.2.9", "ETH_SRC=02:66:00:00:00:02",
                "ETH_DST=ff:ff:ff:ff:ff:ff", "VLAN=5", "LEN=46",
            ])
    }

    @Test func whatCouldNotBeReadIsAbsent() throws {
        var event = sampleArpEvent(ARP_RULE_MALFORMED, detail: ARP_DETAIL_SHORT)
        (event.has_ethernet, event.has_header, event.has_addresses, event.length) = (0, 0, 0, 3)
        #expect(try decode(event, as: arp).fieldLines == ["DETAIL=short", "LEN=3"])
    }

    @Test func aNeighboursFieldsAreItsBindingAndState() throws {
        var event = sampleArpEvent(ARP_RULE_BINDING_CHANGE, detail: ARP_DETAIL_BINDING_APPLIED)
        (event.has_ethernet, event.has_header, event.has_addresses, event.length) = (0, 0, 0, 0)
        #expect(
            try decode(event, as: arp).fieldLines == [
                "DETAIL=applied", "ARP_SENDER_IP=192.0.2.5", "OLD_MAC=02:66:00:00:00:05", "NEW_MAC=02:66:00:00:00:06",
                "NUD_OLD=REACHABLE", "NUD_NEW=STALE",
            ])
    }

    /// The frame that changed the table a moment ago is told with the change.
    @Test func aChangeTellsTheFrameBehindIt() throws {
        let event = sampleArpEvent(ARP_RULE_BINDING_CHANGE, detail: ARP_DETAIL_BINDING_APPLIED)
        let lines = try decode(event, as: arp).fieldLines
        #expect(lines.contains("ARP_OP=reply") && lines.contains("ETH_SRC=02:66:00:00:00:02"))
        #expect(lines.contains("ARP_SENDER_IP=192.0.2.5") && !lines.contains("ARP_SENDER_IP=192.0.2.1"))
    }

    @Test func aClaimTellsWhoHadTheAddressBefore() throws {
        let event = sampleArpEvent(ARP_RULE_DUPLICATE_CLAIM, detail: ARP_DETAIL_CLAIM_UNASKED)
        let lines = try decode(event, as: arp).fieldLines
        #expect(lines.contains("OLD_MAC=02:66:00:00:00:05") && lines.contains("NEW_MAC=02:66:00:00:00:02"))
        #expect(lines.contains("ARP_SENDER_IP=192.0.2.1") && !lines.contains { $0.hasPrefix("NUD_") })
    }

    @Test func aFullTableTellsItsSize() throws {
        var event = sampleArpEvent(ARP_RULE_TABLE_OVERFLOW)
        (event.table_entries, event.table_limit) = (0, 8)
        event.new_state = 0
        event.old_state = 0
        #expect(
            try decode(event, as: arp).fieldLines == ["ARP_TARGET_IP=192.0.2.5", "NEIGH_ENTRIES=0", "NEIGH_LIMIT=8"])
    }

    @Test(arguments: [
        (UInt8(0x01), "INCOMPLETE"), (0x02, "REACHABLE"), (0x04, "STALE"), (0x08, "DELAY"), (0x10, "PROBE"),
        (0x20, "FAILED"), (0x40, "NOARP"), (0x80, "PERMANENT"), (0x00, nil), (0x06, nil),
    ])
    func neighbourStatesAreNamedAsIpNeighDoes(_ state: UInt8, _ name: String?) throws {
        var event = sampleArpEvent(ARP_RULE_RESOLUTION_FAILED)
        event.new_state = state
        let fields = try decode(event, as: arp).fields
        #expect(fields.first { $0.name == FieldName.newNeighbourState.rawValue }?.value == name)
    }

    @Test func operationsAreNamedOrNumbered() throws {
        for (number, name) in [(UInt16(1), "request"), (2, "reply"), (3, "3"), (65535, "65535")] {
            var event = sampleArpEvent(ARP_RULE_SENDER_MISMATCH)
            event.operation = number
            #expect(try decode(event, as: arp).fieldLines.contains("ARP_OP=\(name)"))
        }
    }
}
