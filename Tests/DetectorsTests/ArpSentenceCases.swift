import CDetectorEvents
import Testing

/// One sub-case, and the event or key it is told of.
struct ArpSentenceCase: Sendable, CustomTestStringConvertible {
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

extension ArpSentenceCase {
    static let malformed = "Malformed ARP frame from 02:66:00:00:00:02 on eth0: "
    static let frame = "ARP from 02:66:00:00:00:02 on eth0 "
    private static let sender = "02:66:00:00:00:02 on eth0 "
    private static let claim = "02:66:00:00:00:02 claims 192.0.2.1 on eth0"
    private static let neighbour = "MAC of 192.0.2.5 on eth0 "
    private static let change = "from 02:66:00:00:00:05 to 02:66:00:00:00:06"

    static func badIP(_ words: String, _ detail: arp_detail) -> Self {
        Self(frame + "has the impossible sender IP 192.0.2.1 (\(words))", ARP_RULE_BAD_SENDER_IP, detail)
    }

    private static func badTarget(_ words: String, _ detail: arp_detail) -> Self {
        Self(frame + "has the impossible target IP 192.0.2.9 (\(words))", ARP_RULE_BAD_TARGET, detail)
    }

    /// Rules that a frame's header breaks.
    static let headers: [Self] = [
        Self(malformed + "too short (7 bytes)", ARP_RULE_MALFORMED, ARP_DETAIL_SHORT) {
            ($0.length, $0.has_header, $0.has_addresses) = (7, 0, 0)
        },
        Self(malformed + "hardware type 15, expected 1", ARP_RULE_MALFORMED, ARP_DETAIL_HARDWARE_TYPE) {
            $0.hardware_type = 15
        },
        Self(malformed + "protocol type 0x86dd, expected 0x800", ARP_RULE_MALFORMED, ARP_DETAIL_PROTOCOL_TYPE) {
            $0.protocol_type = 0x86dd
        },
        Self(malformed + "hardware address length 8, expected 6", ARP_RULE_MALFORMED, ARP_DETAIL_HARDWARE_LENGTH) {
            $0.hardware_length = 8
        },
        Self(malformed + "protocol address length 16, expected 4", ARP_RULE_MALFORMED, ARP_DETAIL_PROTOCOL_LENGTH) {
            $0.protocol_length = 16
        },
        Self(malformed + "unknown operation 99", ARP_RULE_MALFORMED, ARP_DETAIL_OPERATION) { $0.operation = 99 },
        Self(
            malformed + "operation 3, which Linux does not handle", ARP_RULE_MALFORMED, ARP_DETAIL_KNOWN_OPERATION
        ) { $0.operation = 3 },
        Self("Malformed ARP frame: unknown operation 0", ARP_RULE_MALFORMED, ARP_DETAIL_OPERATION) {
            ($0.operation, $0.has_ethernet) = (0, 0)
            fill(&$0.head.ifname, [])
        },
        Self(
            frame + "has the sender MAC 00:00:00:00:00:00, which is no address", ARP_RULE_BAD_SENDER_MAC,
            ARP_DETAIL_MAC_ZERO
        ) { fill(&$0.sender_mac, []) },
        Self(frame + "has the broadcast address as sender MAC", ARP_RULE_BAD_SENDER_MAC, ARP_DETAIL_MAC_BROADCAST),
        Self(
            frame + "has the multicast address 01:00:5e:00:00:01 as sender MAC", ARP_RULE_BAD_SENDER_MAC,
            ARP_DETAIL_MAC_MULTICAST
        ) { $0.sender_mac = (1, 0, 0x5e, 0, 0, 1) },
        Self(
            frame + "comes in a frame whose Ethernet source is no station's address", ARP_RULE_BAD_SENDER_MAC,
            ARP_DETAIL_ETHERNET_SOURCE),
        badIP("broadcast", ARP_DETAIL_IP_BROADCAST), badIP("multicast", ARP_DETAIL_IP_MULTICAST),
        badIP("reserved, 240.0.0.0/4", ARP_DETAIL_IP_RESERVED), badIP("loopback", ARP_DETAIL_IP_LOOPBACK),
        badIP("0.0.0.0/8", ARP_DETAIL_IP_THIS_NETWORK), badIP("no address, in a reply", ARP_DETAIL_IP_ZERO_IN_REPLY),
        badIP("the broadcast address of our subnet", ARP_DETAIL_IP_SUBNET_BROADCAST),
        badTarget("broadcast", ARP_DETAIL_IP_BROADCAST), badTarget("multicast", ARP_DETAIL_IP_MULTICAST),
        badTarget("loopback", ARP_DETAIL_IP_LOOPBACK), badTarget("no address", ARP_DETAIL_IP_ZERO),
        Self(
            "02:66:00:00:00:02 claims 192.0.2.1, which is our address on eth0", ARP_RULE_ADDRESS_CONFLICT,
            ARP_DETAIL_CONFLICT_CLAIM),
        Self(
            "02:66:00:00:00:02 probes for 192.0.2.9, which is our address on eth0", ARP_RULE_ADDRESS_CONFLICT,
            ARP_DETAIL_CONFLICT_PROBE),
        Self(
            "02:66:00:00:00:02 takes over 192.0.2.1, which is still our address on eth0", ARP_RULE_ADDRESS_CONFLICT,
            ARP_DETAIL_CONFLICT_TAKEOVER),
        Self("arpspoof sends ARP as 192.0.2.1 on eth0, which is not our address", ARP_RULE_LOCAL_SPOOF),
        Self("a local process sends ARP as 192.0.2.1 on eth0, which is not our address", ARP_RULE_LOCAL_SPOOF) {
            fill(&$0.head.comm, [])
        },
        Self(
            "arpspoof announces 192.0.2.1 on eth0, which is not our address", ARP_RULE_LOCAL_SPOOF,
            ARP_DETAIL_SPOOF_ANNOUNCED),
        Self(frame + "says it is from 02:66:00:00:00:03, for 192.0.2.1", ARP_RULE_SENDER_MISMATCH) {
            $0.sender_mac = (2, 0x66, 0, 0, 0, 3)
        },
        Self(
            "ARP reply from 02:66:00:00:00:02 on eth0 is sent to 02:66:00:00:00:08 but meant for 02:66:00:00:00:09",
            ARP_RULE_TARGET_MISMATCH
        ) { $0.eth_destination = (2, 0x66, 0, 0, 0, 8) },
        Self("02:66:00:00:00:02 speaks as 192.0.2.1, which is of no subnet on eth0", ARP_RULE_BOGON_SENDER),
        Self(
            "02:66:00:00:00:02 asks for our address as 192.0.2.1, which is of no subnet on eth0",
            ARP_RULE_BOGON_SENDER, ARP_DETAIL_BOGON_ASKS_US),
        Self(sender + "answers for 192.0.2.1, for which nobody asked", ARP_RULE_UNSOLICITED_REPLY),
        Self(
            "ARP reply from 02:66:00:00:00:02 on eth0 for 192.0.2.1 is sent to all stations", ARP_RULE_ODD_DELIVERY,
            ARP_DETAIL_DELIVERED_TO_ALL),
        Self(
            "ARP reply from 02:66:00:00:00:02 on eth0 for 192.0.2.1 is sent to another station than ours",
            ARP_RULE_ODD_DELIVERY, ARP_DETAIL_DELIVERED_TO_ANOTHER),
        Self(
            "ARP from 02:66:00:00:00:02 arrives on eth0, where ARP is switched off", ARP_RULE_ON_NOARP_DEVICE),
        Self(sender + "asks us alone for 192.0.2.9", ARP_RULE_UNICAST_REQUEST),
        Self("ARP reply of 02:66:00:00:00:02 for 192.0.2.1 on eth0 was dropped", ARP_RULE_DROPPED),
        Self("ARP frame on eth0 was dropped", ARP_RULE_DROPPED) { ($0.has_header, $0.has_addresses) = (0, 0) },
        Self(
            "ARP reply on eth0: 192.0.2.1 (02:66:00:00:00:02) to 192.0.2.9 (02:66:00:00:00:09)", ARP_RULE_TRACE),
        Self("ARP frame on eth0", ARP_RULE_TRACE) { ($0.has_header, $0.has_addresses) = (0, 0) },
        Self("192.0.2.5 on eth0 does not answer ARP", ARP_RULE_TRACE) {
            ($0.has_neighbour, $0.neighbour_ip) = (1, UInt32(0xc000_0205).bigEndian)
        },
    ]

    /// Rules that repetition breaks, and those of the neighbour table.
    static let repetitions: [Self] = [
        Self(
            claim + ", unasked, although 02:66:00:00:00:05 has it", ARP_RULE_DUPLICATE_CLAIM, ARP_DETAIL_CLAIM_UNASKED),
        Self(claim + " in turns with 02:66:00:00:00:05", ARP_RULE_DUPLICATE_CLAIM, ARP_DETAIL_CLAIM_ALTERNATING),
        Self(claim + ", which 02:66:00:00:00:05 had until now", ARP_RULE_DUPLICATE_CLAIM, ARP_DETAIL_CLAIM_MOVED),
        Self(
            claim + ", and so does 02:66:00:00:00:05: both answer", ARP_RULE_DUPLICATE_CLAIM,
            ARP_DETAIL_CLAIM_BOTH_ANSWER),
        Self(
            claim + " in turns with 02:66:00:00:00:05, with which it shares other addresses",
            ARP_RULE_DUPLICATE_CLAIM, ARP_DETAIL_CLAIM_ONE_HOST),
        Self(
            claim + ", which [Trust] binds to another MAC", ARP_RULE_DUPLICATE_CLAIM, ARP_DETAIL_CLAIM_KNOWN_BINDING),
        Self(
            "02:66:00:00:00:02 claims the default gateway 192.0.2.1 on eth0 in turns with 02:66:00:00:00:05",
            ARP_RULE_DUPLICATE_CLAIM, ARP_DETAIL_CLAIM_ALTERNATING
        ) { $0.head.is_gateway = 1 },
        Self(
            "192.0.2.1 on eth0 is announced 13 times within 10 s, by 02:66:00:00:00:02", ARP_RULE_GRATUITOUS_FLOOD,
            ARP_DETAIL_FLOOD_ONE_ADDRESS
        ) { $0.count = 13 },
        Self(sender + "sends 61 announcements within 10 s", ARP_RULE_GRATUITOUS_FLOOD, ARP_DETAIL_FLOOD_ONE_SENDER) {
            $0.count = 61
        },
        Self(sender + "asks 6 times within 2 s for 192.0.2.9", ARP_RULE_REQUEST_FLOOD) { $0.count = 6 },
        Self(sender + "claims 33 addresses within 60 s", ARP_RULE_MANY_ADDRESSES, ARP_DETAIL_MANY_UNASKED) {
            $0.count = 33
        },
        Self(sender + "claims 34 addresses within 60 s", ARP_RULE_MANY_ADDRESSES, ARP_DETAIL_MANY_SERVED) {
            $0.count = 34
        },
        Self(sender + "asks for 65 addresses within 10 s", ARP_RULE_SCAN, ARP_DETAIL_SCAN_RECEIVED) { $0.count = 65 },
        Self("arpspoof on eth0 asks for 65 addresses within 10 s", ARP_RULE_SCAN, ARP_DETAIL_SCAN_BY_PROCESS) {
            $0.count = 65
        },
        Self("This host on eth0 asks for 65 addresses within 10 s", ARP_RULE_SCAN, ARP_DETAIL_SCAN_BY_KERNEL) {
            $0.count = 65
        },
        Self("Attempt to change the permanent " + neighbour + change, ARP_RULE_STATIC_OVERWRITE),
        Self(
            neighbour + "changes back and forth, 3 times within 60 s, now " + change, ARP_RULE_FLIP_FLOP
        ) { $0.count = 3 },
        Self(
            neighbour + "changes back and forth, 4 times within 60 s, now " + change, ARP_RULE_FLIP_FLOP,
            ARP_DETAIL_BINDING_ANSWERED
        ) { $0.count = 4 },
        Self(
            neighbour + "is the one before again, as announced, now " + change, ARP_RULE_FLIP_FLOP,
            ARP_DETAIL_BINDING_RETURNED),
        Self(neighbour + "changed " + change, ARP_RULE_BINDING_CHANGE, ARP_DETAIL_BINDING_APPLIED),
        Self(
            "MAC of the default gateway 192.0.2.5 on eth0 changed " + change, ARP_RULE_BINDING_CHANGE,
            ARP_DETAIL_BINDING_APPLIED
        ) { $0.head.is_gateway = 1 },
        Self(
            "Attempt to change the \(neighbour)\(change), refused for now (locktime)",
            ARP_RULE_BINDING_CHANGE, ARP_DETAIL_BINDING_REJECTED),
        Self(neighbour + "changed \(change) (virtual router)", ARP_RULE_BINDING_CHANGE, ARP_DETAIL_BINDING_VIRTUAL),
        Self(neighbour + "changed \(change), as announced", ARP_RULE_BINDING_CHANGE, ARP_DETAIL_BINDING_ANNOUNCED),
        Self(neighbour + "changed \(change), by an answer", ARP_RULE_BINDING_CHANGE, ARP_DETAIL_BINDING_ANSWERED),
        Self(
            "Two stations answer for 192.0.2.5 on eth0: the MAC would change " + change, ARP_RULE_BINDING_CHANGE,
            ARP_DETAIL_BINDING_SECOND_ANSWER),
        Self("192.0.2.5 does not answer ARP on eth0: packets to it are dropped", ARP_RULE_RESOLUTION_FAILED) {
            $0.count = 1
        },
        Self(
            "192.0.2.5 does not answer ARP on eth0, 3 times within 60 s: packets to it are dropped",
            ARP_RULE_RESOLUTION_FAILED, ARP_DETAIL_FAILED_REPEATEDLY
        ) { $0.count = 3 },
        Self(
            "The default gateway 192.0.2.5 does not answer ARP on eth0: packets to it are dropped",
            ARP_RULE_RESOLUTION_FAILED
        ) { $0.head.is_gateway = 1 },
        Self(
            "Neighbour table full (1024 of 1024 entries): 192.0.2.5 cannot be reached on eth0", ARP_RULE_TABLE_OVERFLOW
        ) { ($0.table_entries, $0.table_limit) = (1024, 1024) },
    ]
}
