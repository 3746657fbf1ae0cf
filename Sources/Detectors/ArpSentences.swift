import AnomalyModel
import CDetectorEvents

/// Sentences for what the arp detector found: for an event, or for a summary that knows less.
enum ArpSentences {
    static func sentence(_ facts: ArpFacts, detail: arp_detail, rule: arp_rule) -> String {
        let place = facts.interface.map { " on \($0)" } ?? ""
        let source = facts.ethernetSource.map { " from \($0)" } ?? ""
        let mac = facts.senderMAC.map(\.description) ?? "unknown MAC"
        let ip = facts.senderIP.map(\.description) ?? "unknown IP"
        switch rule {
        case ARP_RULE_MALFORMED:
            return "Malformed ARP frame\(source)\(place): \(defect(detail, facts))"
        case ARP_RULE_BAD_SENDER_MAC:
            return "ARP\(source)\(place) \(badMAC(detail, sender: mac))"
        case ARP_RULE_BAD_SENDER_IP:
            return "ARP\(source)\(place) has the impossible sender IP \(ip) (\(badIP(detail)))"
        case ARP_RULE_BAD_TARGET:
            let target = facts.targetIP.map { " \($0)" } ?? ""
            return "ARP\(source)\(place) has the impossible target IP\(target) (\(badIP(detail)))"
        case ARP_RULE_ADDRESS_CONFLICT where detail == ARP_DETAIL_CONFLICT_PROBE:
            let wanted = facts.targetIP.map(\.description) ?? "an address"
            return "\(mac) probes for \(wanted), which is our address\(place)"
        case ARP_RULE_ADDRESS_CONFLICT where detail == ARP_DETAIL_CONFLICT_TAKEOVER:
            return "\(mac) takes over \(ip), which is still our address\(place)"
        case ARP_RULE_ADDRESS_CONFLICT:
            return "\(mac) claims \(ip), which is our address\(place)"
        case ARP_RULE_LOCAL_SPOOF:
            let who = facts.command ?? "a local process"
            let what = detail == ARP_DETAIL_SPOOF_ANNOUNCED ? "announces" : "sends ARP as"
            return "\(who) \(what) \(ip)\(place), which is not our address"
        case ARP_RULE_SENDER_MISMATCH:
            return "ARP\(source)\(place) says it is from \(mac), for \(ip)"
        case ARP_RULE_TARGET_MISMATCH:
            let to = facts.ethernetDestination.map { " is sent to \($0)" } ?? " is sent to one station"
            return "ARP reply\(source)\(place)\(to) but meant for \(facts.targetMAC?.description ?? "another")"
        case ARP_RULE_BOGON_SENDER:
            let what = detail == ARP_DETAIL_BOGON_ASKS_US ? "asks for our address" : "speaks"
            return "\(mac) \(what) as \(ip), which is of no subnet\(place)"
        case ARP_RULE_UNSOLICITED_REPLY:
            return "\(mac)\(place) answers for \(ip), for which nobody asked"
        case ARP_RULE_ODD_DELIVERY:
            let whom = detail == ARP_DETAIL_DELIVERED_TO_ALL ? "all stations" : "another station than ours"
            return "ARP reply\(source)\(place) for \(ip) is sent to \(whom)"
        case ARP_RULE_ON_NOARP_DEVICE:
            return "ARP\(source) arrives\(place), where ARP is switched off"
        case ARP_RULE_UNICAST_REQUEST:
            return "\(mac)\(place) asks us alone for \(facts.targetIP?.description ?? "an address")"
        default:
            return repetition(facts, detail: detail, rule: rule, place: place)
        }
    }

    /// Rules that repetition breaks, and those of the neighbour table.
    private static func repetition(_ facts: ArpFacts, detail: arp_detail, rule: arp_rule, place: String) -> String {
        let mac = facts.senderMAC.map(\.description) ?? "unknown MAC"
        let ip = facts.senderIP.map(\.description) ?? "unknown IP"
        let gateway = facts.isGateway ? "the default gateway " : ""
        let neighbour = gateway + (facts.neighbourIP?.description ?? "unknown IP")
        let count = facts.count.map(String.init) ?? "too many"
        switch rule {
        case ARP_RULE_DUPLICATE_CLAIM:
            return "\(mac) claims \(gateway)\(ip)\(place)\(claim(detail, facts))"
        case ARP_RULE_GRATUITOUS_FLOOD where detail == ARP_DETAIL_FLOOD_ONE_SENDER:
            return "\(mac)\(place) sends \(count) announcements within 10 s"
        case ARP_RULE_GRATUITOUS_FLOOD:
            let times = facts.count.map { "\($0) times" } ?? "too often"
            return "\(ip)\(place) is announced \(times) within 10 s, by \(mac)"
        case ARP_RULE_REQUEST_FLOOD:
            let target = facts.targetIP.map(\.description) ?? "one address"
            return "\(mac)\(place) asks \(facts.count.map { "\($0) times" } ?? "too often") within 2 s for \(target)"
        case ARP_RULE_MANY_ADDRESSES:
            return "\(mac)\(place) claims \(count) addresses within 60 s"
        case ARP_RULE_SCAN:
            return "\(scanner(detail, facts))\(place) asks for \(count) addresses within 10 s"
        case ARP_RULE_STATIC_OVERWRITE:
            return "Attempt to change the permanent MAC of \(neighbour)\(place) \(change(facts))"
        case ARP_RULE_FLIP_FLOP where detail == ARP_DETAIL_BINDING_RETURNED:
            return "MAC of \(neighbour)\(place) is the one before again, as announced\(between(facts))"
        case ARP_RULE_FLIP_FLOP:
            let times = facts.count.map { "\($0) times" } ?? "again and again"
            return "MAC of \(neighbour)\(place) changes back and forth, \(times) within 60 s\(between(facts))"
        case ARP_RULE_BINDING_CHANGE:
            return binding(detail, neighbour: neighbour, change: change(facts), place: place)
        case ARP_RULE_RESOLUTION_FAILED:
            let times = facts.count.map { $0 > 1 ? ", \($0) times within 60 s" : "" } ?? ""
            return "\(neighbour.prefix(1).uppercased())\(neighbour.dropFirst()) does not answer ARP\(place)\(times):"
                + " packets to it are dropped"
        case ARP_RULE_DROPPED:
            let whose = facts.senderMAC.map { " of \($0)" } ?? ""
            let about = facts.senderIP.map { " for \($0)" } ?? ""
            return "ARP \(facts.operation.map(ArpWords.operation) ?? "frame")\(whose)\(about)\(place) was dropped"
        case ARP_RULE_TABLE_OVERFLOW:
            let full = facts.tableLimit.map { " (\(facts.tableEntries ?? 0) of \($0) entries)" } ?? ""
            let whom = facts.neighbourIP == nil ? "new neighbours" : neighbour
            return "Neighbour table full\(full): \(whom) cannot be reached\(place)"
        default:
            return trace(facts, place: place)
        }
    }

    /// A frame's four addresses, as far as it has them.
    private static func trace(_ facts: ArpFacts, place: String) -> String {
        if let neighbour = facts.neighbourIP { return "\(neighbour)\(place) does not answer ARP" }
        let operation = facts.operation.map(ArpWords.operation) ?? "frame"
        guard let senderIP = facts.senderIP, let senderMAC = facts.senderMAC,
            let targetIP = facts.targetIP, let targetMAC = facts.targetMAC
        else { return "ARP \(operation)\(place)" }
        return "ARP \(operation)\(place): \(senderIP) (\(senderMAC)) to \(targetIP) (\(targetMAC))"
    }

    private static func scanner(_ detail: arp_detail, _ facts: ArpFacts) -> String {
        switch detail {
        case ARP_DETAIL_SCAN_BY_PROCESS: facts.command ?? "a local process"
        case ARP_DETAIL_SCAN_BY_KERNEL: "This host"
        default: facts.senderMAC?.description ?? "one station"
        }
    }

    private static func claim(_ detail: arp_detail, _ facts: ArpFacts) -> String {
        let other = facts.oldMAC?.description ?? "another station"
        switch detail {
        case ARP_DETAIL_CLAIM_UNASKED: return ", unasked, although \(other) has it"
        case ARP_DETAIL_CLAIM_BOTH_ANSWER: return ", and so does \(other): both answer"
        case ARP_DETAIL_CLAIM_MOVED: return ", which \(other) had until now"
        case ARP_DETAIL_CLAIM_ONE_HOST: return " in turns with \(other), with which it shares other addresses"
        case ARP_DETAIL_CLAIM_KNOWN_BINDING: return ", which [Trust] binds to another MAC"
        default: return " in turns with \(other)"
        }
    }

    private static func change(_ facts: ArpFacts) -> String {
        "from \(facts.oldMAC?.description ?? "?") to \(facts.newMAC?.description ?? "?")"
    }

    private static func between(_ facts: ArpFacts) -> String {
        guard let old = facts.oldMAC, let new = facts.newMAC else { return "" }
        return ", now from \(old) to \(new)"
    }

    /// What is wrong with the frame; a summary knows the sub-case, but not the number.
    private static func defect(_ detail: arp_detail, _ facts: ArpFacts) -> String {
        switch detail {
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

    private static func badMAC(_ detail: arp_detail, sender: String) -> String {
        switch detail {
        case ARP_DETAIL_MAC_ZERO: "has the sender MAC \(sender), which is no address"
        case ARP_DETAIL_MAC_BROADCAST: "has the broadcast address as sender MAC"
        case ARP_DETAIL_MAC_MULTICAST: "has the multicast address \(sender) as sender MAC"
        default: "comes in a frame whose Ethernet source is no station's address"
        }
    }

    private static func badIP(_ detail: arp_detail) -> String {
        switch detail {
        case ARP_DETAIL_IP_BROADCAST: "broadcast"
        case ARP_DETAIL_IP_MULTICAST: "multicast"
        case ARP_DETAIL_IP_RESERVED: "reserved, 240.0.0.0/4"
        case ARP_DETAIL_IP_LOOPBACK: "loopback"
        case ARP_DETAIL_IP_THIS_NETWORK: "0.0.0.0/8"
        case ARP_DETAIL_IP_ZERO_IN_REPLY: "no address, in a reply"
        case ARP_DETAIL_IP_ZERO: "no address"
        default: "the broadcast address of our subnet"
        }
    }

    private static func binding(_ detail: arp_detail, neighbour: String, change: String, place: String) -> String {
        switch detail {
        case ARP_DETAIL_BINDING_REJECTED:
            "Attempt to change the MAC of \(neighbour)\(place) \(change), refused for now (locktime)"
        case ARP_DETAIL_BINDING_SECOND_ANSWER:
            "Two stations answer for \(neighbour)\(place): the MAC would change \(change)"
        case ARP_DETAIL_BINDING_VIRTUAL:
            "MAC of \(neighbour)\(place) changed \(change) (virtual router)"
        case ARP_DETAIL_BINDING_ANNOUNCED:
            "MAC of \(neighbour)\(place) changed \(change), as announced"
        case ARP_DETAIL_BINDING_ANSWERED:
            "MAC of \(neighbour)\(place) changed \(change), by an answer"
        default:
            "MAC of \(neighbour)\(place) changed \(change)"
        }
    }
}
