import AnomalyModel
import CDetectorEvents

/// Words for what the arp detector found, as fields have them.
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
    static func subcase(_ detail: arp_detail) -> String? { subcases[detail.rawValue] }

    private static let subcases: [UInt32: String] = [
        ARP_DETAIL_SHORT.rawValue: "short",
        ARP_DETAIL_HARDWARE_TYPE.rawValue: "hardware-type",
        ARP_DETAIL_PROTOCOL_TYPE.rawValue: "protocol-type",
        ARP_DETAIL_HARDWARE_LENGTH.rawValue: "hardware-length",
        ARP_DETAIL_PROTOCOL_LENGTH.rawValue: "protocol-length",
        ARP_DETAIL_OPERATION.rawValue: "operation",
        ARP_DETAIL_KNOWN_OPERATION.rawValue: "known-operation",
        ARP_DETAIL_MAC_ZERO.rawValue: "zero",
        ARP_DETAIL_MAC_BROADCAST.rawValue: "broadcast",
        ARP_DETAIL_MAC_MULTICAST.rawValue: "multicast",
        ARP_DETAIL_ETHERNET_SOURCE.rawValue: "ethernet-source",
        ARP_DETAIL_IP_BROADCAST.rawValue: "broadcast",
        ARP_DETAIL_IP_MULTICAST.rawValue: "multicast",
        ARP_DETAIL_IP_RESERVED.rawValue: "reserved",
        ARP_DETAIL_IP_LOOPBACK.rawValue: "loopback",
        ARP_DETAIL_IP_THIS_NETWORK.rawValue: "this-network",
        ARP_DETAIL_IP_ZERO_IN_REPLY.rawValue: "zero-in-reply",
        ARP_DETAIL_IP_SUBNET_BROADCAST.rawValue: "subnet-broadcast",
        ARP_DETAIL_IP_ZERO.rawValue: "zero",
        ARP_DETAIL_CONFLICT_CLAIM.rawValue: "claim",
        ARP_DETAIL_CONFLICT_PROBE.rawValue: "probe",
        ARP_DETAIL_CONFLICT_TAKEOVER.rawValue: "takeover",
        ARP_DETAIL_BINDING_APPLIED.rawValue: "applied",
        ARP_DETAIL_BINDING_REJECTED.rawValue: "refused",
        ARP_DETAIL_BINDING_VIRTUAL.rawValue: "virtual-router",
        ARP_DETAIL_BINDING_ANNOUNCED.rawValue: "announced",
        ARP_DETAIL_BINDING_ANSWERED.rawValue: "answered",
        ARP_DETAIL_BINDING_SECOND_ANSWER.rawValue: "second-answer",
        ARP_DETAIL_BINDING_RETURNED.rawValue: "returned",
        ARP_DETAIL_CLAIM_UNASKED.rawValue: "unasked",
        ARP_DETAIL_CLAIM_ALTERNATING.rawValue: "alternating",
        ARP_DETAIL_CLAIM_BOTH_ANSWER.rawValue: "both-answer",
        ARP_DETAIL_CLAIM_ONE_HOST.rawValue: "one-host",
        ARP_DETAIL_CLAIM_KNOWN_BINDING.rawValue: "known-binding",
        ARP_DETAIL_CLAIM_MOVED.rawValue: "moved",
        ARP_DETAIL_SPOOF_ANNOUNCED.rawValue: "announced",
        ARP_DETAIL_FLOOD_ONE_ADDRESS.rawValue: "one-address",
        ARP_DETAIL_FLOOD_ONE_SENDER.rawValue: "one-sender",
        ARP_DETAIL_MANY_UNASKED.rawValue: "unasked",
        ARP_DETAIL_MANY_SERVED.rawValue: "served",
        ARP_DETAIL_SCAN_RECEIVED.rawValue: "received",
        ARP_DETAIL_SCAN_BY_PROCESS.rawValue: "by-process",
        ARP_DETAIL_SCAN_BY_KERNEL.rawValue: "by-kernel",
        ARP_DETAIL_BOGON_ASKS_US.rawValue: "asks-us",
        ARP_DETAIL_FAILED_REPEATEDLY.rawValue: "repeated",
        ARP_DETAIL_DELIVERED_TO_ALL.rawValue: "to-all",
        ARP_DETAIL_DELIVERED_TO_ANOTHER.rawValue: "to-another",
    ]

    /// What a sub-case deserves; the default gateway's changes deserve a step more.
    static func priority(of detail: arp_detail, rule: Rule, isGateway: Bool) -> Priority {
        switch detail {
        case ARP_DETAIL_KNOWN_OPERATION: .info
        case ARP_DETAIL_CONFLICT_PROBE, ARP_DETAIL_CONFLICT_TAKEOVER, ARP_DETAIL_SPOOF_ANNOUNCED,
            ARP_DETAIL_CLAIM_ONE_HOST, ARP_DETAIL_MANY_SERVED, ARP_DETAIL_BINDING_VIRTUAL,
            ARP_DETAIL_BINDING_ANNOUNCED, ARP_DETAIL_BINDING_RETURNED, ARP_DETAIL_CLAIM_MOVED:
            .notice
        case ARP_DETAIL_BINDING_ANSWERED, ARP_DETAIL_BINDING_SECOND_ANSWER, ARP_DETAIL_CLAIM_BOTH_ANSWER:
            isGateway ? .warning : .notice
        case ARP_DETAIL_BINDING_APPLIED, ARP_DETAIL_BINDING_REJECTED, ARP_DETAIL_CLAIM_UNASKED,
            ARP_DETAIL_CLAIM_ALTERNATING:
            isGateway ? .error : .warning
        case ARP_DETAIL_CLAIM_KNOWN_BINDING: .error
        case ARP_DETAIL_SCAN_BY_PROCESS, ARP_DETAIL_FAILED_REPEATEDLY: .warning
        case ARP_DETAIL_NONE where rule.name.text == "arp-bogon-sender": .info
        case ARP_DETAIL_NONE where rule.name.text == "arp-resolution-failed" && isGateway: .warning
        default: rule.priority
        }
    }
}
