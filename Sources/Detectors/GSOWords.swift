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
    static func subcase(_ detail: gso_detail) -> String? {
        switch detail {
        case GSO_DETAIL_TCPV4_ON_OTHER: "tcpv4-on-other"
        case GSO_DETAIL_TCPV6_ON_OTHER: "tcpv6-on-other"
        case GSO_DETAIL_TCP_ON_OTHER: "tcp-on-other"
        case GSO_DETAIL_UDP_ON_OTHER: "udp-on-other"
        case GSO_DETAIL_SCTP_ON_OTHER: "sctp-on-other"
        case GSO_DETAIL_NOT_ENCAPSULATED: "not-encapsulated"
        case GSO_DETAIL_INNER_IS_OUTER: "inner-is-outer"
        case GSO_DETAIL_TINY: "below-threshold"
        case GSO_DETAIL_MINUTE: "below-8"
        case GSO_DETAIL_READ_TYPE: "type"
        case GSO_DETAIL_READ_READER: "reader"
        case GSO_DETAIL_SEGS_COUNT: "count"
        case GSO_DETAIL_SEGS_TOO_MANY: "too-many"
        case GSO_DETAIL_MTU_SENT: "sent"
        case GSO_DETAIL_MTU_RECEIVED: "received"
        case GSO_DETAIL_CHECKSUM_START: "start"
        case GSO_DETAIL_CHECKSUM_FIELD: "field"
        default: nil
        }
    }

    /// What a sub-case deserves.
    static func priority(of detail: gso_detail, rule: Rule) -> Priority {
        switch detail {
        case GSO_DETAIL_MINUTE: .error
        case GSO_DETAIL_READ_READER: .warning
        case GSO_DETAIL_MTU_RECEIVED: .info
        default: rule.priority
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
}
