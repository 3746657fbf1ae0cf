import AnomalyModel
import CDetectorEvents
import Detectors
import Testing

/// What the arp detector says of an anomaly of which only the key is left.
@Suite struct ArpSummaryTests {
    typealias Case = ArpSentenceCase

    private static let malformed = Case.malformed
    private static let sender = "02:66:00:00:00:03 on eth0 "
    private static let change = "from 02:66:00:00:00:02 to 02:66:00:00:00:03"

    /// The key's words as `set_words()` fills them: Ethernet source, sender MAC, IP, unless the rule says otherwise.
    private func summary(_ line: Case) -> na_event_head {
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
            Case.frame + "has the multicast address 02:66:00:00:00:03 as sender MAC", ARP_RULE_BAD_SENDER_MAC,
            ARP_DETAIL_MAC_MULTICAST),
        Case.badIP("multicast", ARP_DETAIL_IP_MULTICAST),
        Case(Case.frame + "has the impossible target IP (loopback)", ARP_RULE_BAD_TARGET, ARP_DETAIL_IP_LOOPBACK),
        Case(
            "02:66:00:00:00:03 claims 192.0.2.1, which is our address on eth0", ARP_RULE_ADDRESS_CONFLICT,
            ARP_DETAIL_CONFLICT_CLAIM),
        Case(
            "02:66:00:00:00:03 probes for 192.0.2.1, which is our address on eth0", ARP_RULE_ADDRESS_CONFLICT,
            ARP_DETAIL_CONFLICT_PROBE),
        Case("arpspoof sends ARP as 192.0.2.1 on eth0, which is not our address", ARP_RULE_LOCAL_SPOOF),
        Case(Case.frame + "says it is from 02:66:00:00:00:03, for 192.0.2.1", ARP_RULE_SENDER_MISMATCH),
        Case(
            "ARP reply from 02:66:00:00:00:02 on eth0 is sent to one station but meant for another",
            ARP_RULE_TARGET_MISMATCH),
        Case("02:66:00:00:00:03 speaks as 192.0.2.1, which is of no subnet on eth0", ARP_RULE_BOGON_SENDER),
        Case(sender + "answers for 192.0.2.1, for which nobody asked", ARP_RULE_UNSOLICITED_REPLY),
        Case(
            "ARP reply from 02:66:00:00:00:02 on eth0 for 192.0.2.1 is sent to all stations", ARP_RULE_ODD_DELIVERY,
            ARP_DETAIL_DELIVERED_TO_ALL),
        Case("ARP arrives on eth0, where ARP is switched off", ARP_RULE_ON_NOARP_DEVICE),
        Case(sender + "asks us alone for an address", ARP_RULE_UNICAST_REQUEST),
        Case("ARP frame on eth0 was dropped", ARP_RULE_DROPPED),
        Case("ARP frame on eth0", ARP_RULE_TRACE),
        Case(
            "02:66:00:00:00:03 claims 192.0.2.1 on eth0 in turns with 02:66:00:00:00:02", ARP_RULE_DUPLICATE_CLAIM,
            ARP_DETAIL_CLAIM_ALTERNATING),
        Case(
            "192.0.2.1 on eth0 is announced too often within 10 s, by 02:66:00:00:00:03", ARP_RULE_GRATUITOUS_FLOOD,
            ARP_DETAIL_FLOOD_ONE_ADDRESS),
        Case(
            sender + "sends too many announcements within 10 s", ARP_RULE_GRATUITOUS_FLOOD,
            ARP_DETAIL_FLOOD_ONE_SENDER),
        Case(sender + "asks too often within 2 s for 192.0.2.1", ARP_RULE_REQUEST_FLOOD),
        Case(sender + "claims too many addresses within 60 s", ARP_RULE_MANY_ADDRESSES, ARP_DETAIL_MANY_SERVED),
        Case(sender + "asks for too many addresses within 10 s", ARP_RULE_SCAN, ARP_DETAIL_SCAN_RECEIVED),
        Case("Attempt to change the permanent MAC of 192.0.2.1 on eth0 " + change, ARP_RULE_STATIC_OVERWRITE),
        Case("MAC of 192.0.2.1 on eth0 changes back and forth, again and again within 60 s", ARP_RULE_FLIP_FLOP),
        Case("MAC of 192.0.2.1 on eth0 changed " + change, ARP_RULE_BINDING_CHANGE, ARP_DETAIL_BINDING_APPLIED),
        Case("192.0.2.1 does not answer ARP on eth0: packets to it are dropped", ARP_RULE_RESOLUTION_FAILED),
        Case("Neighbour table full: new neighbours cannot be reached on eth0", ARP_RULE_TABLE_OVERFLOW),
    ])
    func aSummaryIsToldFromItsKey(_ line: Case) throws {
        #expect(try decode(summary(line), as: arp).message == line.testDescription)
    }

    @Test func aSummaryHasTheKeysFields() throws {
        func lines(_ rule: arp_rule, _ detail: arp_detail = ARP_DETAIL_NONE) throws -> [String] {
            try decode(summary(Case("", rule, detail)), as: arp).fieldLines
        }
        let (source, sender, ip) = ("ETH_SRC=02:66:00:00:00:02", "ARP_SENDER_MAC=02:66:00:00:00:03", "192.0.2.1")
        let macs = ["OLD_MAC=02:66:00:00:00:02", "NEW_MAC=02:66:00:00:00:03"]
        #expect(try lines(ARP_RULE_MALFORMED) == [source])
        #expect(try lines(ARP_RULE_BAD_SENDER_MAC) == [sender, source])
        #expect(try lines(ARP_RULE_BAD_SENDER_IP) == [sender, "ARP_SENDER_IP=\(ip)", source])
        #expect(try lines(ARP_RULE_ADDRESS_CONFLICT) == [sender, "ARP_SENDER_IP=\(ip)"])
        #expect(
            try lines(ARP_RULE_ADDRESS_CONFLICT, ARP_DETAIL_CONFLICT_PROBE) == [
                "DETAIL=probe", sender, "ARP_TARGET_IP=\(ip)",
            ])
        #expect(try lines(ARP_RULE_LOCAL_SPOOF) == ["ARP_SENDER_IP=\(ip)"])
        for rule in [
            ARP_RULE_SENDER_MISMATCH, ARP_RULE_TARGET_MISMATCH, ARP_RULE_BAD_TARGET, ARP_RULE_BOGON_SENDER,
            ARP_RULE_UNSOLICITED_REPLY, ARP_RULE_ODD_DELIVERY, ARP_RULE_UNICAST_REQUEST,
        ] { #expect(try lines(rule) == [sender, "ARP_SENDER_IP=\(ip)", source]) }
        #expect(try lines(ARP_RULE_DUPLICATE_CLAIM) == [sender, "ARP_SENDER_IP=\(ip)"] + macs)
        for rule in [ARP_RULE_SCAN, ARP_RULE_MANY_ADDRESSES] { #expect(try lines(rule) == [sender]) }
        #expect(try lines(ARP_RULE_REQUEST_FLOOD) == [sender, "ARP_TARGET_IP=\(ip)"])
        #expect(
            try lines(ARP_RULE_GRATUITOUS_FLOOD, ARP_DETAIL_FLOOD_ONE_ADDRESS) == [
                "DETAIL=one-address", sender, "ARP_SENDER_IP=\(ip)",
            ])
        #expect(try lines(ARP_RULE_GRATUITOUS_FLOOD, ARP_DETAIL_FLOOD_ONE_SENDER) == ["DETAIL=one-sender", sender])
        for rule in [ARP_RULE_BINDING_CHANGE, ARP_RULE_STATIC_OVERWRITE] {
            #expect(try lines(rule) == ["ARP_SENDER_IP=\(ip)"] + macs)
        }
        for rule in [ARP_RULE_DROPPED, ARP_RULE_ON_NOARP_DEVICE, ARP_RULE_TABLE_OVERFLOW, ARP_RULE_TRACE] {
            #expect(try lines(rule).isEmpty)
        }
        #expect(try lines(ARP_RULE_RESOLUTION_FAILED) == ["ARP_TARGET_IP=\(ip)"])
    }

    @Test func aNeighbourThatFlipsIsNamedAsTheSenderItIs() throws {
        #expect(
            try decode(summary(Case("", ARP_RULE_FLIP_FLOP)), as: arp).fieldLines == ["ARP_SENDER_IP=192.0.2.1"])
    }

    @Test func aSummaryFromADeviceWithoutEthernetHeadersInventsNoSource() throws {
        var head = summary(Case("", ARP_RULE_BAD_SENDER_IP, ARP_DETAIL_IP_LOOPBACK))
        head.key.a = 0
        let anomaly = try decode(head, as: arp)
        #expect(anomaly.message == "ARP on eth0 has the impossible sender IP 192.0.2.1 (loopback)")
        #expect(
            anomaly.fieldLines == ["DETAIL=loopback", "ARP_SENDER_MAC=02:66:00:00:00:03", "ARP_SENDER_IP=192.0.2.1"])
    }
}
