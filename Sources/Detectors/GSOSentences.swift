import CDetectorEvents

/// One sentence about each GSO anomaly, for a person who reads the journal.
enum GSOSentences {
    static func sentence(_ facts: GSOFacts, detail: gso_detail, rule: gso_rule) -> String {
        let device = facts.interface ?? "a TUN/TAP"
        let way = facts.isFromOwner.map { $0 ? "from the owner of \(device)" : "towards \(device)" } ?? "on \(device)"
        switch rule {
        case GSO_RULE_HEADER_REJECTED:
            return "The kernel refused a packet \(way): its virtio-net header is invalid"
        case GSO_RULE_SEGMENTATION_REFUSED:
            return "The kernel dropped a packet \(way): it has \(typeAndSize(facts)) and could not be segmented"
        case GSO_RULE_READ_FAILED:
            return "The owner of \(device) could not read a packet with \(typeAndSize(facts)): "
                + (detail == GSO_DETAIL_READ_READER ? "it left no room for it" : "no virtio-net header can say that")
        case GSO_RULE_TRACE:
            return "GSO packet \(way)\(facts.type.map { _ in ": " + traced(facts) } ?? "")"
        default:
            return "Packet \(way) \(defect(facts, detail: detail, rule: rule))"
        }
    }

    /// What is wrong with a packet, behind the words that say which packet it is.
    private static func defect(_ facts: GSOFacts, detail: gso_detail, rule: gso_rule) -> String {
        let type = "has gso_type \(typeName(facts))"
        switch rule {
        case GSO_RULE_SIZE_WITHOUT_TYPE:
            return "has gso_size\(facts.size.map { " \($0)" } ?? "") but no gso_type"
        case GSO_RULE_TYPE_WITHOUT_SIZE:
            return "\(type) but gso_size 0"
        case GSO_RULE_BY_FRAGS:
            return "\(type) and gso_size 65535, the mark for a list of fragments, which only SCTP has"
        case GSO_RULE_TUNNEL_WITHOUT_ENCAPSULATION:
            return "has the tunnel gso_type \(typeName(facts)) but \(missingInner(detail))"
        case GSO_RULE_UNSUPPORTED_TYPE:
            return "\(type), which the device says it cannot take"
        case GSO_RULE_MIXED_TYPES:
            return "\(type), of more than one protocol"
        case GSO_RULE_IP_MISMATCH:
            return "\(type) but is \(facts.ipVersion == 0 ? "neither IPv4 nor IPv6" : "IPv\(facts.ipVersion)")"
        case GSO_RULE_L4_MISMATCH:
            return "\(type) but carries \(facts.l4Protocol.map(GSOWords.l4Protocol) ?? "another protocol")"
        case GSO_RULE_TINY_SIZE:
            return "has \(typeAndSize(facts)): \(pieces(facts))"
        case GSO_RULE_ECN_WITHOUT_TCP:
            return "\(type): ECN is TCP's, and it is not of TCP"
        case GSO_RULE_UFO:
            return "\(type): its UDP datagram is to be fragmented, which Linux only emulates"
        case GSO_RULE_WITHOUT_CHECKSUM:
            return "has \(typeAndSize(facts)), and a checksum that is not left to the kernel"
        case GSO_RULE_SHORT_HEADER:
            return "\(type), and its IP header is not in its linear area\(linear(facts))"
        default:
            return comparison(facts, detail: detail, rule: rule)
        }
    }

    /// Rules that compare two numbers, which only an event has.
    private static func comparison(_ facts: GSOFacts, detail: gso_detail, rule: gso_rule) -> String {
        let (found, expected) = (facts.found, facts.expected)
        let isKnown = found != 0 || expected != 0
        switch rule {
        case GSO_RULE_CHECKSUM_START where detail == GSO_DETAIL_CHECKSUM_FIELD:
            return "has its checksum at another place than its protocol"
                + (isKnown ? ": byte \(found) of the transport header, not \(expected)" : "")
        case GSO_RULE_CHECKSUM_START:
            return "has a checksum that does not start at its transport header"
                + (isKnown ? ": byte \(Int32(bitPattern: found)) of the IP packet, not \(expected)" : "")
        case GSO_RULE_LENGTH_MISMATCH:
            return isKnown
                ? "has \(expected) bytes, but \(found) by its IP header" : "has another length than by its IP header"
        case GSO_RULE_SIZE_EXCEEDS_PAYLOAD:
            return "has \(typeAndSize(facts)), but no more data than that" + (isKnown ? ": \(expected) bytes" : "")
        case GSO_RULE_SEGS_MISMATCH where detail == GSO_DETAIL_SEGS_TOO_MANY:
            return "has \(typeAndSize(facts)), "
                + (isKnown ? "which makes \(found) segments, more than \(expected)" : "which makes too many segments")
        case GSO_RULE_SEGS_MISMATCH:
            return "has a gso_segs that its data and gso_size do not make"
                + (isKnown ? ": \(found), not \(expected)" : "")
        default:
            return isKnown
                ? "becomes segments of \(found) bytes, more than the device's MTU of \(expected)"
                : "becomes segments longer than the device's MTU"
        }
    }

    private static func typeName(_ facts: GSOFacts) -> String {
        facts.typeNames.isEmpty ? "none" : facts.typeNames
    }

    private static func typeAndSize(_ facts: GSOFacts) -> String {
        "gso_type \(typeName(facts))" + (facts.size.map { " and gso_size \($0)" } ?? "")
    }

    /// As `tcpdump` would say it.
    private static func traced(_ facts: GSOFacts) -> String {
        let segments = facts.segments.map { $0 == 0 ? "" : ", gso_segs \($0)" } ?? ""
        let length = facts.length.map { ", \($0) bytes" } ?? ""
        return typeAndSize(facts) + segments + length + flow(facts)
    }

    private static func flow(_ facts: GSOFacts) -> String {
        guard let source = facts.source, let destination = facts.destination else { return "" }
        let ports = (facts.sourcePort.map { " port \($0)" } ?? "", facts.destinationPort.map { " port \($0)" } ?? "")
        return ", \(source)\(ports.0) to \(destination)\(ports.1)"
    }

    private static func linear(_ facts: GSOFacts) -> String {
        facts.linearLength.map { ", which has \($0) bytes" } ?? ""
    }

    private static func missingInner(_ detail: gso_detail) -> String {
        detail == GSO_DETAIL_NOT_ENCAPSULATED ? "is not encapsulated" : "no inner headers behind the outer ones"
    }

    private static func pieces(_ facts: GSOFacts) -> String {
        guard let length = facts.length, let size = facts.size, size > 0 else { return "it becomes many packets" }
        return "its \(length) bytes become about \((UInt64(length) + UInt64(size) - 1) / UInt64(size)) packets"
    }
}
