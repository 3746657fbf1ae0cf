import AnomalyModel
import CDetectorEvents
import Detectors
import Testing

/// What the arp detector says of each rule and sub-case, word for word.
@Suite struct ArpSentenceTests {
    /// One sub-case, and the event or key it is told of.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let rule: arp_rule
        let detail: arp_detail
        let change: @Sendable (inout arp_event) -> Void

        init(
            _ sentence: String, _ rule: arp_rule, _ detail: arp_detail = ARP_DETAIL_NONE,
            _ change: @escaping @Sendable (inout arp_event) -> Void = { _ in }
        ) {
            (testDescription, self.rule, self.detail, self.change) = (sentence, rule, detail, change)
        }
    }

    private static let malformed = "Malformed ARP frame from 02:66:00:00:00:02 on eth0: "
    private static let frame = "ARP from 02:66:00:00:00:02 on eth0 "
    private static let neighbour = "MAC of 192.0.2.5 on eth0 "
    private static let change = "from 02:66:00:00:00:05 to 02:66:00:00:00:06"

    private static let eventCases: [Case] = [
        Case(malformed + "too short (7 bytes)", ARP_RULE_MALFORMED, ARP_DETAIL_SHORT) {
            ($0.length, $0.has_header, $0.has_addresses) = (7, 0, 0)
        },
        Case(malformed + "hardware type 15, expected 1", ARP_RULE_MALFORMED, ARP_DETAIL_HARDWARE_TYPE) {
            $0.hardware_type = 15
        },
        Case(malformed + "protocol type 0x86dd, expected 0x800", ARP_RULE_MALFORMED, ARP_DETAIL_PROTOCOL_TYPE) {
            $0.protocol_type = 0x86dd
        },
        Case(malformed + "hardware address length 8, expected 6", ARP_RULE_MALFORMED, ARP_DETAIL_HARDWARE_LENGTH) {
            $0.hardware_length = 8
        },
        Case(malformed + "protocol address length 16, expected 4", ARP_RULE_MALFORMED, ARP_DETAIL_PROTOCOL_LENGTH) {
            $0.protocol_length = 16
        },
        Case(malformed + "unknown operation 99", ARP_RULE_MALFORMED, ARP_DETAIL_OPERATION) { $0.operation = 99 },
        Case(
            malformed + "operation 3, which Linux does not handle", ARP_RULE_MALFORMED, ARP_DETAIL_KNOWN_OPERATION
        ) { $0.operation = 3 },
        Case("Malformed ARP frame: unknown operation 0", ARP_RULE_MALFORMED, ARP_DETAIL_OPERATION) {
            ($0.operation, $0.has_ethernet) = (0, 0)
            fill(&$0.head.ifname, [])
        },
        Case(
            frame + "has the sender MAC 00:00:00:00:00:00, which is no address", ARP_RULE_BAD_SENDER_MAC,
            ARP_DETAIL_MAC_ZERO
        ) { fill(&$0.sender_mac, []) },
        Case(frame + "has the broadcast address as sender MAC", ARP_RULE_BAD_SENDER_MAC, ARP_DETAIL_MAC_BROADCAST),
        Case(
            frame + "has the multicast address 01:00:5e:00:00:01 as sender MAC", ARP_RULE_BAD_SENDER_MAC,
            ARP_DETAIL_MAC_MULTICAST
        ) { $0.sender_mac = (1, 0, 0x5e, 0, 0, 1) },
        Case(
            frame + "comes in a frame whose Ethernet source is no station's address", ARP_RULE_BAD_SENDER_MAC,
            ARP_DETAIL_ETHERNET_SOURCE),
        badIP("broadcast", ARP_DETAIL_IP_BROADCAST), badIP("multicast", ARP_DETAIL_IP_MULTICAST),
        badIP("reserved, 240.0.0.0/4", ARP_DETAIL_IP_RESERVED), badIP("loopback", ARP_DETAIL_IP_LOOPBACK),
        badIP("0.0.0.0/8", ARP_DETAIL_IP_THIS_NETWORK), badIP("no address, in a reply", ARP_DETAIL_IP_ZERO_IN_REPLY),
        badIP("the broadcast address of our subnet", ARP_DETAIL_IP_SUBNET_BROADCAST),
        Case(
            "02:66:00:00:00:02 claims 192.0.2.1, which is our address on eth0", ARP_RULE_ADDRESS_CONFLICT,
            ARP_DETAIL_CONFLICT_CLAIM),
        Case(
            "02:66:00:00:00:02 probes for 192.0.2.9, which is our address on eth0", ARP_RULE_ADDRESS_CONFLICT,
            ARP_DETAIL_CONFLICT_PROBE),
        Case("arpspoof sends ARP as 192.0.2.1 on eth0, which is not our address", ARP_RULE_LOCAL_SPOOF),
        Case("a local process sends ARP as 192.0.2.1 on eth0, which is not our address", ARP_RULE_LOCAL_SPOOF) {
            fill(&$0.head.comm, [])
        },
        Case(frame + "says it is from 02:66:00:00:00:03, for 192.0.2.1", ARP_RULE_SENDER_MISMATCH) {
            $0.sender_mac = (2, 0x66, 0, 0, 0, 3)
        },
        Case(neighbour + "changed " + change, ARP_RULE_BINDING_CHANGE, ARP_DETAIL_BINDING_APPLIED),
        Case(
            "Attempt to change the MAC of 192.0.2.5 on eth0 \(change), refused for now (locktime)",
            ARP_RULE_BINDING_CHANGE, ARP_DETAIL_BINDING_REJECTED),
        Case(neighbour + "changed \(change) (virtual router)", ARP_RULE_BINDING_CHANGE, ARP_DETAIL_BINDING_VIRTUAL),
        Case("192.0.2.5 does not answer ARP on eth0: packets to it are dropped", ARP_RULE_RESOLUTION_FAILED),
    ]

    private static func badIP(_ words: String, _ detail: arp_detail) -> Case {
        Case(frame + "has the impossible sender IP 192.0.2.1 (\(words))", ARP_RULE_BAD_SENDER_IP, detail)
    }

    @Test(arguments: eventCases) func anEventIsToldInOneSentence(_ line: Case) throws {
        var event = sampleArpEvent(line.rule, detail: line.detail)
        line.change(&event)
        #expect(try decode(event, as: arp).message == line.testDescription)
    }

    @Test func everySubCaseHasASentenceOfItsOwn() throws {
        let details = Set(Self.eventCases.map(\.detail.rawValue))
        let header = try repositoryFile("Sources/Detectors/bpf/include/arp_event.h")
        let known = header.matches(of: /ARP_DETAIL_[A-Z_]+ = ([0-9]+)/).compactMap { UInt32($0.1) }
        #expect(details == Set(known))
    }

    /// The key's words as `arp.bpf.c` fills them: Ethernet source, sender MAC, IP, unless the rule says otherwise.
    private func key(_ line: Case) -> na_event_head {
        var head = sampleHead(rule: line.rule.rawValue, detail: line.detail.rawValue, kind: NA_KIND_SUMMARY)
        (head.key.a, head.key.b, head.key.c) = (0x0266_0000_0002, 0x0266_0000_0003, 0xc000_0201)
        if line.rule == ARP_RULE_LOCAL_SPOOF {
            var command: (UInt64, UInt64) = (0, 0)
            fill(&command, "arpspoof".utf8)
            (head.key.a, head.key.b) = command
        }
        return head
    }

    @Test(arguments: [
        Case(malformed + "too short", ARP_RULE_MALFORMED, ARP_DETAIL_SHORT),
        Case(malformed + "wrong hardware type", ARP_RULE_MALFORMED, ARP_DETAIL_HARDWARE_TYPE),
        Case(malformed + "wrong protocol type", ARP_RULE_MALFORMED, ARP_DETAIL_PROTOCOL_TYPE),
        Case(malformed + "wrong hardware address length", ARP_RULE_MALFORMED, ARP_DETAIL_HARDWARE_LENGTH),
        Case(malformed + "wrong protocol address length", ARP_RULE_MALFORMED, ARP_DETAIL_PROTOCOL_LENGTH),
        Case(malformed + "unknown operation", ARP_RULE_MALFORMED, ARP_DETAIL_OPERATION),
        Case(
            malformed + "an operation that Linux does not handle", ARP_RULE_MALFORMED, ARP_DETAIL_KNOWN_OPERATION),
        Case(
            frame + "has the multicast address 02:66:00:00:00:03 as sender MAC", ARP_RULE_BAD_SENDER_MAC,
            ARP_DETAIL_MAC_MULTICAST),
        badIP("multicast", ARP_DETAIL_IP_MULTICAST),
        Case(
            "02:66:00:00:00:03 claims 192.0.2.1, which is our address on eth0", ARP_RULE_ADDRESS_CONFLICT,
            ARP_DETAIL_CONFLICT_CLAIM),
        Case(
            "02:66:00:00:00:03 probes for 192.0.2.1, which is our address on eth0", ARP_RULE_ADDRESS_CONFLICT,
            ARP_DETAIL_CONFLICT_PROBE),
        Case("arpspoof sends ARP as 192.0.2.1 on eth0, which is not our address", ARP_RULE_LOCAL_SPOOF),
        Case(frame + "says it is from 02:66:00:00:00:03, for 192.0.2.1", ARP_RULE_SENDER_MISMATCH),
        Case(
            "MAC of 192.0.2.1 on eth0 changed from 02:66:00:00:00:02 to 02:66:00:00:00:03", ARP_RULE_BINDING_CHANGE,
            ARP_DETAIL_BINDING_APPLIED),
        Case("192.0.2.1 does not answer ARP on eth0: packets to it are dropped", ARP_RULE_RESOLUTION_FAILED),
    ])
    func aSummaryIsToldFromItsKey(_ line: Case) throws {
        #expect(try decode(key(line), as: arp).message == line.testDescription)
    }

    @Test func aSummaryHasTheKeysFields() throws {
        func lines(_ rule: arp_rule, _ detail: arp_detail = ARP_DETAIL_NONE) throws -> [String] {
            try decode(key(Case("", rule, detail)), as: arp).fieldLines
        }
        let (source, sender, ip) = ("ETH_SRC=02:66:00:00:00:02", "ARP_SENDER_MAC=02:66:00:00:00:03", "192.0.2.1")
        #expect(try lines(ARP_RULE_MALFORMED) == [source])
        #expect(try lines(ARP_RULE_BAD_SENDER_MAC) == [sender, source])
        #expect(try lines(ARP_RULE_BAD_SENDER_IP) == [sender, "ARP_SENDER_IP=\(ip)", source])
        #expect(try lines(ARP_RULE_ADDRESS_CONFLICT) == [sender, "ARP_SENDER_IP=\(ip)"])
        #expect(
            try lines(ARP_RULE_ADDRESS_CONFLICT, ARP_DETAIL_CONFLICT_PROBE) == [
                "DETAIL=probe", sender, "ARP_TARGET_IP=\(ip)",
            ])
        #expect(try lines(ARP_RULE_LOCAL_SPOOF) == ["ARP_SENDER_IP=\(ip)"])
        #expect(try lines(ARP_RULE_SENDER_MISMATCH) == [sender, "ARP_SENDER_IP=\(ip)", source])
        #expect(
            try lines(ARP_RULE_BINDING_CHANGE) == [
                "ARP_SENDER_IP=\(ip)", "OLD_MAC=02:66:00:00:00:02", "NEW_MAC=02:66:00:00:00:03",
            ])
        #expect(try lines(ARP_RULE_RESOLUTION_FAILED) == ["ARP_TARGET_IP=\(ip)"])
    }

    @Test func aSummaryFromADeviceWithoutEthernetHeadersInventsNoSource() throws {
        var head = key(Case("", ARP_RULE_BAD_SENDER_IP, ARP_DETAIL_IP_LOOPBACK))
        head.key.a = 0
        let anomaly = try decode(head, as: arp)
        #expect(anomaly.message == "ARP on eth0 has the impossible sender IP 192.0.2.1 (loopback)")
        #expect(
            anomaly.fieldLines == ["DETAIL=loopback", "ARP_SENDER_MAC=02:66:00:00:00:03", "ARP_SENDER_IP=192.0.2.1"])
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
        (event.has_ethernet, event.has_header, event.has_addresses) = (0, 0, 0)
        #expect(
            try decode(event, as: arp).fieldLines == [
                "DETAIL=applied", "ARP_SENDER_IP=192.0.2.5", "OLD_MAC=02:66:00:00:00:05", "NEW_MAC=02:66:00:00:00:06",
                "NUD_OLD=REACHABLE", "NUD_NEW=STALE",
            ])
    }

    @Test(arguments: [
        (UInt8(0x01), "INCOMPLETE"), (0x02, "REACHABLE"), (0x04, "STALE"), (0x08, "DELAY"), (0x10, "PROBE"),
        (0x20, "FAILED"), (0x40, "NOARP"), (0x80, "PERMANENT"), (0x00, nil), (0x06, nil),
    ])
    func neighbourStatesAreNamedAsIpNeighDoes(_ state: UInt8, _ name: String?) throws {
        var event = sampleArpEvent(ARP_RULE_RESOLUTION_FAILED)
        event.new_state = state
        #expect(try decode(event, as: arp).fields.first { $0.name == .newNeighbourState }?.value == name)
    }

    @Test func operationsAreNamedOrNumbered() throws {
        for (number, name) in [(UInt16(1), "request"), (2, "reply"), (3, "3"), (65535, "65535")] {
            var event = sampleArpEvent(ARP_RULE_SENDER_MISMATCH)
            event.operation = number
            #expect(try decode(event, as: arp).fieldLines.contains("ARP_OP=\(name)"))
        }
    }

    @Test func harmlessSubCasesAreLessUrgent() throws {
        let special: [UInt32: Priority] = [
            ARP_DETAIL_KNOWN_OPERATION.rawValue: .info, ARP_DETAIL_CONFLICT_PROBE.rawValue: .notice,
            ARP_DETAIL_BINDING_VIRTUAL.rawValue: .notice,
        ]
        for line in Self.eventCases {
            let rule = arp.rules[Int(line.rule.rawValue)]
            let expected = special[line.detail.rawValue] ?? rule.priority
            let event = sampleArpEvent(line.rule, detail: line.detail)
            #expect(try decode(event, as: arp).priority == expected, "\(line.testDescription)")
            #expect(try decode(key(line), as: arp).priority == expected, "\(line.testDescription)")
        }
    }
}
