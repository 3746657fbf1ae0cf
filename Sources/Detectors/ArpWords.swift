import AnomalyModel
import CDetectorEvents

/// Words for what the arp detector found.
enum ArpWords {
    /// `request`, `reply`, or the number.
    static func operation(_ number: UInt16) -> String {
        switch Int32(number) {
        case ARP_OP_REQUEST: "request"
        case ARP_OP_REPLY: "reply"
        default: String(number)
        }
    }

    /// A neighbour's state as `ip neigh` names it (NUD_* of linux/neighbour.h); nil for none.
    static func neighbourState(_ state: UInt8) -> String? {
        switch state {
        case 0x01: "INCOMPLETE"
        case 0x02: "REACHABLE"
        case 0x04: "STALE"
        case 0x08: "DELAY"
        case 0x10: "PROBE"
        case 0x20: "FAILED"
        case 0x40: "NOARP"
        case 0x80: "PERMANENT"
        default: nil
        }
    }

    /// The sub-case as scripts match it; nil for a rule without any.
    static func subcase(_ detail: UInt32) -> String? {
        switch arp_detail(detail) {
        case ARP_DETAIL_SHORT: "short"
        case ARP_DETAIL_HARDWARE_TYPE: "hardware-type"
        case ARP_DETAIL_PROTOCOL_TYPE: "protocol-type"
        case ARP_DETAIL_HARDWARE_LENGTH: "hardware-length"
        case ARP_DETAIL_PROTOCOL_LENGTH: "protocol-length"
        case ARP_DETAIL_OPERATION: "operation"
        case ARP_DETAIL_KNOWN_OPERATION: "known-operation"
        case ARP_DETAIL_MAC_ZERO: "zero"
        case ARP_DETAIL_MAC_BROADCAST, ARP_DETAIL_IP_BROADCAST: "broadcast"
        case ARP_DETAIL_MAC_MULTICAST, ARP_DETAIL_IP_MULTICAST: "multicast"
        case ARP_DETAIL_ETHERNET_SOURCE: "ethernet-source"
        case ARP_DETAIL_IP_RESERVED: "reserved"
        case ARP_DETAIL_IP_LOOPBACK: "loopback"
        case ARP_DETAIL_IP_THIS_NETWORK: "this-network"
        case ARP_DETAIL_IP_ZERO_IN_REPLY: "zero-in-reply"
        case ARP_DETAIL_IP_SUBNET_BROADCAST: "subnet-broadcast"
        case ARP_DETAIL_CONFLICT_CLAIM: "claim"
        case ARP_DETAIL_CONFLICT_PROBE: "probe"
        case ARP_DETAIL_BINDING_APPLIED: "applied"
        case ARP_DETAIL_BINDING_REJECTED: "refused"
        case ARP_DETAIL_BINDING_VIRTUAL: "virtual-router"
        default: nil
        }
    }

    static func priority(of detail: UInt32, rule: Rule) -> Priority {
        switch arp_detail(detail) {
        case ARP_DETAIL_KNOWN_OPERATION: .info
        case ARP_DETAIL_CONFLICT_PROBE, ARP_DETAIL_BINDING_VIRTUAL: .notice
        default: rule.priority
        }
    }

    static func sentence(_ facts: ArpFacts, detail: UInt32, rule: UInt32) -> String {
        let place = facts.interface.map { " on \($0)" } ?? ""
        let source = facts.ethernetSource.map { " from \($0)" } ?? ""
        let mac = facts.senderMAC.map(\.description) ?? "unknown MAC"
        let ip = facts.senderIP.map(\.description) ?? "unknown IP"
        let neighbour = facts.neighbourIP.map(\.description) ?? "unknown IP"
        switch arp_rule(rule) {
        case ARP_RULE_MALFORMED:
            return "Malformed ARP frame\(source)\(place): \(defect(detail, facts))"
        case ARP_RULE_BAD_SENDER_MAC:
            return "ARP\(source)\(place) \(badMAC(detail, sender: mac))"
        case ARP_RULE_BAD_SENDER_IP:
            return "ARP\(source)\(place) has the impossible sender IP \(ip) (\(badIP(detail)))"
        case ARP_RULE_ADDRESS_CONFLICT where detail == ARP_DETAIL_CONFLICT_PROBE.rawValue:
            let wanted = facts.targetIP.map(\.description) ?? "an address"
            return "\(mac) probes for \(wanted), which is our address\(place)"
        case ARP_RULE_ADDRESS_CONFLICT:
            return "\(mac) claims \(ip), which is our address\(place)"
        case ARP_RULE_LOCAL_SPOOF:
            let who = facts.command ?? "a local process"
            return "\(who) sends ARP as \(ip)\(place), which is not our address"
        case ARP_RULE_SENDER_MISMATCH:
            return "ARP\(source)\(place) says it is from \(mac), for \(ip)"
        case ARP_RULE_BINDING_CHANGE:
            let change = "from \(facts.oldMAC?.description ?? "?") to \(facts.newMAC?.description ?? "?")"
            return binding(detail, neighbour: neighbour, change: change, place: place)
        default:
            return "\(neighbour) does not answer ARP\(place): packets to it are dropped"
        }
    }

    /// What is wrong with the frame; a summary knows the sub-case, but not the number.
    private static func defect(_ detail: UInt32, _ facts: ArpFacts) -> String {
        switch arp_detail(detail) {
        case ARP_DETAIL_SHORT:
            facts.length.map { "too short (\($0) bytes)" } ?? "too short"
        case ARP_DETAIL_HARDWARE_TYPE:
            facts.hardwareType.map { "hardware type \($0), expected 1" } ?? "wrong hardware type"
        case ARP_DETAIL_PROTOCOL_TYPE:
            facts.protocolType.map { "protocol type 0x\(String($0, radix: 16)), expected 0x800" }
                ?? "wrong protocol type"
        case ARP_DETAIL_HARDWARE_LENGTH:
            facts.hardwareLength.map { "hardware address length \($0), expected 6" } ?? "wrong hardware address length"
        case ARP_DETAIL_PROTOCOL_LENGTH:
            facts.protocolLength.map { "protocol address length \($0), expected 4" } ?? "wrong protocol address length"
        case ARP_DETAIL_KNOWN_OPERATION:
            facts.operation.map { "operation \($0), which Linux does not handle" }
                ?? "an operation that Linux does not handle"
        default:
            facts.operation.map { "unknown operation \($0)" } ?? "unknown operation"
        }
    }

    private static func badMAC(_ detail: UInt32, sender: String) -> String {
        switch arp_detail(detail) {
        case ARP_DETAIL_MAC_ZERO: "has the sender MAC \(sender), which is no address"
        case ARP_DETAIL_MAC_BROADCAST: "has the broadcast address as sender MAC"
        case ARP_DETAIL_MAC_MULTICAST: "has the multicast address \(sender) as sender MAC"
        default: "comes in a frame whose Ethernet source is no station's address"
        }
    }

    private static func badIP(_ detail: UInt32) -> String {
        switch arp_detail(detail) {
        case ARP_DETAIL_IP_BROADCAST: "broadcast"
        case ARP_DETAIL_IP_MULTICAST: "multicast"
        case ARP_DETAIL_IP_RESERVED: "reserved, 240.0.0.0/4"
        case ARP_DETAIL_IP_LOOPBACK: "loopback"
        case ARP_DETAIL_IP_THIS_NETWORK: "0.0.0.0/8"
        case ARP_DETAIL_IP_ZERO_IN_REPLY: "no address, in a reply"
        default: "the broadcast address of our subnet"
        }
    }

    private static func binding(_ detail: UInt32, neighbour: String, change: String, place: String) -> String {
        switch arp_detail(detail) {
        case ARP_DETAIL_BINDING_REJECTED:
            "Attempt to change the MAC of \(neighbour)\(place) \(change), refused for now (locktime)"
        case ARP_DETAIL_BINDING_VIRTUAL:
            "MAC of \(neighbour)\(place) changed \(change) (virtual router)"
        default:
            "MAC of \(neighbour)\(place) changed \(change)"
        }
    }
}
