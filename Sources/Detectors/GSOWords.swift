import AnomalyModel
import CDetectorEvents

/// Words for what the tun-gso detector found.
enum GSOWords {
    private static let names: [(gso_type_bit, String)] = [
        (GSO_TCPV4, "tcpv4"), (GSO_DODGY, "dodgy"), (GSO_TCP_ECN, "tcp_ecn"), (GSO_TCP_FIXEDID_OLD, "tcp_fixedid"),
        (GSO_TCPV6, "tcpv6"), (GSO_FCOE, "fcoe"), (GSO_GRE, "gre"), (GSO_GRE_CSUM, "gre_csum"),
        (GSO_IPXIP4, "ipxip4"), (GSO_IPXIP6, "ipxip6"), (GSO_UDP_TUNNEL, "udp_tunnel"),
        (GSO_UDP_TUNNEL_CSUM, "udp_tunnel_csum"), (GSO_PARTIAL, "partial"),
        (GSO_TUNNEL_REMCSUM, "tunnel_remcsum"), (GSO_SCTP, "sctp"), (GSO_ESP, "esp"), (GSO_UDP, "udp"),
        (GSO_UDP_L4, "udp_l4"), (GSO_FRAGLIST, "fraglist"), (GSO_TCP_ACCECN, "tcp_accecn"),
        (GSO_TCP_FIXEDID, "tcp_fixedid"), (GSO_TCP_FIXEDID_INNER, "tcp_fixedid_inner"),
    ]

    /// The bits' names as the kernel's enum has them, in lower case: `tcpv4|dodgy`; what has no name in hex.
    static func typeNames(_ type: UInt32) -> String {
        let known = names.filter { type & $0.0.rawValue != 0 }
        let unknown = known.reduce(type) { $0 & ~$1.0.rawValue }
        return (known.map(\.1) + (unknown == 0 ? [] : ["0x" + String(unknown, radix: 16)])).joined(separator: "|")
    }

    /// The sub-case as scripts match it; nil for a rule without any.
    static func subcase(_ detail: UInt32) -> String? {
        switch gso_detail(detail) {
        case GSO_DETAIL_TCPV4_ON_OTHER: "tcpv4-on-other"
        case GSO_DETAIL_TCPV6_ON_OTHER: "tcpv6-on-other"
        case GSO_DETAIL_TCP_ON_OTHER: "tcp-on-other"
        case GSO_DETAIL_UDP_ON_OTHER: "udp-on-other"
        case GSO_DETAIL_SCTP_ON_OTHER: "sctp-on-other"
        case GSO_DETAIL_NOT_ENCAPSULATED: "not-encapsulated"
        case GSO_DETAIL_INNER_IS_OUTER: "inner-is-outer"
        case GSO_DETAIL_TINY: "below-threshold"
        case GSO_DETAIL_MINUTE: "below-8"
        default: nil
        }
    }

    /// The device's `kind` as `ip -d link` shows it; nil when it is none of ours.
    static func deviceKind(_ kind: UInt8) -> String? {
        switch gso_device_kind(UInt32(kind)) {
        case GSO_DEVICE_TUN: "tun"
        case GSO_DEVICE_MACVTAP: "macvtap"
        case GSO_DEVICE_IPVTAP: "ipvtap"
        default: nil
        }
    }

    /// IFF_* of linux/if_tun.h; nil when not known.
    static func tunFlags(_ flags: UInt32) -> String? {
        let names: [(UInt32, String)] = [
            (0x1, "tun"), (0x2, "tap"), (0x10, "napi"), (0x20, "napi_frags"), (0x100, "multi_queue"),
            (0x1000, "no_pi"), (0x4000, "vnet_hdr"), (0x800, "persist"),
        ]
        let text = names.filter { flags & $0.0 != 0 }.map(\.1).joined(separator: "|")
        return text.isEmpty ? nil : text
    }

    /// CHECKSUM_* of linux/skbuff.h.
    static func checksumState(_ state: UInt8) -> String? {
        let names = ["none", "unnecessary", "complete", "partial"]
        return Int(state) < names.count ? names[Int(state)] : nil
    }

    /// The protocol's name where it has a common one, else its number.
    static func l4Protocol(_ number: UInt8) -> String {
        switch number {
        case 1: "icmp"
        case 6: "tcp"
        case 17: "udp"
        case 58: "icmpv6"
        case 132: "sctp"
        default: String(number)
        }
    }

    static func address(_ bytes: [UInt8], version: UInt8) -> String? {
        switch version {
        case 4: IPv4Address(bits: bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }).description
        case 6: IPv6Address(bytes: bytes).description
        default: nil
        }
    }

    static func sentence(_ facts: GSOFacts, detail: UInt32, rule: UInt32) -> String {
        let device = facts.interface ?? "a TUN/TAP"
        let way = facts.isFromOwner.map { $0 ? "from the owner of \(device)" : "towards \(device)" } ?? "on \(device)"
        let type = facts.typeNames.isEmpty ? "none" : facts.typeNames
        let size = facts.size.map { " and gso_size \($0)" } ?? ""
        switch gso_rule(rule) {
        case GSO_RULE_SIZE_WITHOUT_TYPE:
            return "Packet \(way) has gso_size\(facts.size.map { " \($0)" } ?? "") but no gso_type"
        case GSO_RULE_TYPE_WITHOUT_SIZE:
            return "Packet \(way) has gso_type \(type) but gso_size 0"
        case GSO_RULE_TUNNEL_WITHOUT_ENCAPSULATION:
            return "Packet \(way) has the tunnel gso_type \(type) but \(missingInner(detail))"
        case GSO_RULE_IP_MISMATCH:
            let found = facts.ipVersion == 0 ? "neither IPv4 nor IPv6" : "IPv\(facts.ipVersion)"
            return "Packet \(way) has gso_type \(type) but is \(found)"
        case GSO_RULE_L4_MISMATCH:
            let found = facts.l4Protocol.map(l4Protocol).map { "carries \($0)" } ?? "carries another protocol"
            return "Packet \(way) has gso_type \(type) but \(found)"
        case GSO_RULE_TINY_SIZE:
            return "Packet \(way) has gso_type \(type)\(size): \(pieces(facts))"
        case GSO_RULE_HEADER_REJECTED:
            return "The kernel refused a packet \(way): its virtio-net header is invalid"
        default:
            return "The kernel dropped a packet \(way): it has gso_type \(type)\(size) and could not be segmented"
        }
    }

    private static func missingInner(_ detail: UInt32) -> String {
        detail == GSO_DETAIL_NOT_ENCAPSULATED.rawValue
            ? "is not encapsulated" : "no inner headers behind the outer ones"
    }

    private static func pieces(_ facts: GSOFacts) -> String {
        guard let length = facts.length, let size = facts.size, size > 0 else { return "it becomes many packets" }
        return "its \(length) bytes become about \((UInt64(length) + UInt64(size) - 1) / UInt64(size)) packets"
    }
}
