import CDetectorEvents
import Testing

/// Bits of several types.
func types(_ bits: gso_type_bit...) -> UInt32 { bits.reduce(0) { $0 | $1.rawValue } }

/// A TCP packet over IPv4 on its way to the owner of a device: 3 segments of 1448 bytes behind 40 bytes of headers.
func healthyGSOFacts() -> gso_facts {
    var facts = gso_facts()
    facts.features = .max
    (facts.type, facts.size, facts.segs) = (GSO_TCPV4.rawValue, 1448, 3)
    (facts.length, facts.told_length, facts.header_length, facts.mtu) = (40 + 3 * 1448, 40 + 3 * 1448, 40, 1500)
    (facts.network_header, facts.transport_header, facts.linear_end) = (64, 84, 150)
    (facts.l3_header, facts.l4_header) = (64, 84)
    (facts.ip_summed, facts.checksum_start, facts.checksum_offset) = (3, 84, 16)
    (facts.ip_version, facts.l4_protocol) = (4, 6)
    facts.stage = UInt8(GSO_STAGE_QUEUED.rawValue)
    return facts
}

extension gso_facts {
    /// The same packet as its device's owner writes it.
    mutating func comeFromOwner() {
        (stage, from_owner, segs) = (UInt8(GSO_STAGE_RECEIVED.rawValue), 1, 0)
        type |= GSO_DODGY.rawValue
    }

    /// The same packet in a VXLAN tunnel: 50 bytes of outer headers before it.
    mutating func enterTunnel() {
        type |= GSO_UDP_TUNNEL.rawValue
        (encapsulation, inner_network_header) = (1, 114)
        (l3_header, l4_header, checksum_start) = (114, 134, 134)
    }

    /// The same data as UDP datagrams.
    mutating func becomeUDP() {
        (type, l4_protocol, checksum_offset) = (GSO_UDP_L4.rawValue, 17, 6)
        (header_length, length) = (28, 28 + 3 * 1448)
        told_length = length
    }
}

/// The predicates of `tun_gso_rules.h` about type and size: each sub-case beside its nearest packet that is fine.
@Suite struct GSOPredicateTests {
    typealias Case = PredicateCase<gso_facts, gso_detail>
    typealias Verdict = PredicateCase<gso_facts, Bool>

    private func facts<Answer>(_ line: PredicateCase<gso_facts, Answer>) -> gso_facts {
        var facts = healthyGSOFacts()
        line.change(&facts)
        return facts
    }

    @Test(arguments: [
        Verdict("both", false) { _ in },
        Verdict("neither", false) { ($0.type, $0.size) = (0, 0) },
        Verdict("a size of 1 and no type", true) { ($0.type, $0.size) = (0, 1) },
        Verdict("dodgy is no type", true) { $0.type = GSO_DODGY.rawValue },
        Verdict("dodgy and no size", false) { ($0.type, $0.size) = (GSO_DODGY.rawValue, 0) },
        Verdict("a bit of a kernel to come is a type", false) { $0.type = 1 << 29 },
        Verdict("the highest bit is a type", false) { $0.type = 1 << 31 },
    ])
    func sizeWithoutType(_ line: Verdict) {
        var facts = facts(line)
        #expect((gso_size_without_type(&facts) != 0) == line.verdict)
    }

    @Test(arguments: [
        Verdict("both", false) { _ in },
        Verdict("neither", false) { ($0.type, $0.size) = (0, 0) },
        Verdict("TCP from the owner", true) {
            $0.comeFromOwner()
            ($0.type, $0.size) = (GSO_TCPV4.rawValue, 0)
        },
        Verdict("dodgy alone from the owner", true) {
            $0.comeFromOwner()
            ($0.type, $0.size) = (GSO_DODGY.rawValue, 0)
        },
        Verdict("a local acknowledgement over IPv4", false) { ($0.type, $0.size) = (GSO_TCPV4.rawValue, 0) },
        Verdict("a local acknowledgement with all that a TCP socket sets", false) {
            $0.type = types(
                GSO_TCPV6, GSO_TCP_ECN, GSO_TCP_FIXEDID_OLD, GSO_TCP_FIXEDID, GSO_TCP_FIXEDID_INNER, GSO_TCP_ACCECN)
            $0.size = 0
        },
        Verdict("an owner's TCP on the way out of another device", true) {
            ($0.type, $0.size) = (types(GSO_TCPV4, GSO_DODGY), 0)
        },
        Verdict("UDP on the way out", true) { ($0.type, $0.size) = (GSO_UDP_L4.rawValue, 0) },
        Verdict("a bit of a kernel to come on the way out", true) { ($0.type, $0.size) = (1 << 29, 0) },
    ])
    func typeWithoutSize(_ line: Verdict) {
        var facts = facts(line)
        #expect((gso_type_without_size(&facts) != 0) == line.verdict)
    }

    private static let tunnels = [GSO_UDP_TUNNEL, GSO_UDP_TUNNEL_CSUM, GSO_GRE, GSO_GRE_CSUM, GSO_IPXIP4, GSO_IPXIP6]
        .map(\.rawValue)

    @Test(arguments: tunnels) func anUnencapsulatedPacketIsNoTunnels(_ bit: UInt32) {
        var facts = facts(Verdict("", true) { $0.type |= bit })
        #expect(gso_tunnel_without_encapsulation(&facts) == GSO_DETAIL_NOT_ENCAPSULATED.rawValue)
    }

    @Test(arguments: tunnels) func aPacketWithInnerHeadersIsATunnels(_ bit: UInt32) {
        var facts = facts(Verdict("", true) { ($0.encapsulation, $0.inner_network_header) = (1, 114) })
        facts.type |= bit
        #expect(gso_tunnel_without_encapsulation(&facts) == GSO_DETAIL_NONE.rawValue)
    }

    @Test(arguments: [
        Case("no tunnel", GSO_DETAIL_NONE) { _ in },
        Case("a tunnel without a size is another rule's", GSO_DETAIL_NONE) {
            ($0.type, $0.size) = (GSO_UDP_TUNNEL.rawValue, 0)
        },
        Case("the inner header is the outer one", GSO_DETAIL_INNER_IS_OUTER) {
            ($0.type, $0.encapsulation, $0.inner_network_header) = (GSO_UDP_TUNNEL.rawValue, 1, 64)
        },
        Case("the inner header is the outer transport header", GSO_DETAIL_INNER_IS_OUTER) {
            ($0.type, $0.encapsulation, $0.inner_network_header) = (GSO_GRE.rawValue, 1, 84)
        },
        Case("the inner header comes after the outer transport header", GSO_DETAIL_NONE) {
            ($0.type, $0.encapsulation, $0.inner_network_header) = (GSO_GRE.rawValue, 1, 85)
        },
        Case("IP in IP has its inner header there", GSO_DETAIL_NONE) {
            ($0.type, $0.encapsulation, $0.inner_network_header) = (GSO_IPXIP4.rawValue, 1, 84)
        },
        Case("IP in IP whose inner header is the outer one", GSO_DETAIL_INNER_IS_OUTER) {
            ($0.type, $0.encapsulation, $0.inner_network_header) = (GSO_IPXIP6.rawValue, 1, 64)
        },
    ])
    func tunnelWithoutEncapsulation(_ line: Case) {
        var facts = facts(line)
        #expect(gso_tunnel_without_encapsulation(&facts) == line.verdict.rawValue)
    }

    @Test(arguments: [
        Case("tcpv4 on IPv4", GSO_DETAIL_NONE) { _ in },
        Case("tcpv4 on IPv6", GSO_DETAIL_TCPV4_ON_OTHER) { $0.ip_version = 6 },
        Case("tcpv4 on no IP", GSO_DETAIL_TCPV4_ON_OTHER) { $0.ip_version = 0 },
        Case("tcpv4 on IPv6 without a size", GSO_DETAIL_NONE) { ($0.ip_version, $0.size) = (6, 0) },
        Case("tcpv6 on IPv6", GSO_DETAIL_NONE) { ($0.type, $0.ip_version) = (GSO_TCPV6.rawValue, 6) },
        Case("tcpv6 on IPv4", GSO_DETAIL_TCPV6_ON_OTHER) { $0.type = GSO_TCPV6.rawValue },
        Case("both on IPv4", GSO_DETAIL_TCPV6_ON_OTHER) { $0.type = types(GSO_TCPV4, GSO_TCPV6) },
        Case("UDP on IPv6", GSO_DETAIL_NONE) { ($0.type, $0.ip_version) = (GSO_UDP_L4.rawValue, 6) },
        Case("encapsulated, but not as a tunnel", GSO_DETAIL_NONE) { ($0.ip_version, $0.encapsulation) = (6, 1) },
        Case("a tunnel's inner IPv6", GSO_DETAIL_TCPV4_ON_OTHER) {
            $0.enterTunnel()
            $0.ip_version = 6
        },
    ])
    func ipMismatch(_ line: Case) {
        var facts = facts(line)
        #expect(gso_ip_mismatch(&facts) == line.verdict.rawValue)
    }

    @Test(arguments: [
        Case("TCP", GSO_DETAIL_NONE) { _ in },
        Case("tcpv4 on UDP", GSO_DETAIL_TCP_ON_OTHER) { $0.l4_protocol = 17 },
        Case("tcpv6 on ICMPv6", GSO_DETAIL_TCP_ON_OTHER) { ($0.type, $0.l4_protocol) = (GSO_TCPV6.rawValue, 58) },
        Case("tcpv4 on UDP without a size", GSO_DETAIL_NONE) { ($0.l4_protocol, $0.size) = (17, 0) },
        Case("tcpv4 on what could not be read", GSO_DETAIL_NONE) { $0.l4_protocol = 255 },
        Case("tcpv4 in ESP", GSO_DETAIL_NONE) { ($0.type, $0.l4_protocol) = (types(GSO_TCPV4, GSO_ESP), 50) },
        Case("tcpv4 on ESP that the type does not name", GSO_DETAIL_TCP_ON_OTHER) { $0.l4_protocol = 50 },
        Case("udp_l4 on UDP", GSO_DETAIL_NONE) { ($0.type, $0.l4_protocol) = (GSO_UDP_L4.rawValue, 17) },
        Case("udp_l4 on TCP", GSO_DETAIL_UDP_ON_OTHER) { $0.type = GSO_UDP_L4.rawValue },
        Case("udp on UDP", GSO_DETAIL_NONE) { ($0.type, $0.l4_protocol) = (GSO_UDP.rawValue, 17) },
        Case("udp on TCP", GSO_DETAIL_UDP_ON_OTHER) { $0.type = GSO_UDP.rawValue },
        Case("sctp on SCTP", GSO_DETAIL_NONE) { ($0.type, $0.l4_protocol) = (GSO_SCTP.rawValue, 132) },
        Case("sctp on TCP", GSO_DETAIL_SCTP_ON_OTHER) { $0.type = GSO_SCTP.rawValue },
        Case("encapsulated, but not as a tunnel", GSO_DETAIL_NONE) { ($0.l4_protocol, $0.encapsulation) = (17, 1) },
        Case("a tunnel's inner UDP", GSO_DETAIL_TCP_ON_OTHER) {
            $0.enterTunnel()
            $0.l4_protocol = 17
        },
        Case("a tunnel's inner UDP, were there inner headers", GSO_DETAIL_NONE) {
            $0.enterTunnel()
            ($0.l4_protocol, $0.encapsulation) = (17, 0)
        },
    ])
    func l4Mismatch(_ line: Case) {
        var facts = facts(line)
        #expect(gso_l4_mismatch(&facts) == line.verdict.rawValue)
    }

    @Test(arguments: [
        Case("TCP with 48", GSO_DETAIL_NONE) { $0.size = 48 },
        Case("TCP with 47", GSO_DETAIL_TINY) { $0.size = 47 },
        Case("TCP with 8", GSO_DETAIL_TINY) { $0.size = 8 },
        Case("TCP with 7", GSO_DETAIL_MINUTE) { $0.size = 7 },
        Case("TCP with 1", GSO_DETAIL_MINUTE) { $0.size = 1 },
        Case("TCP with none", GSO_DETAIL_NONE) { $0.size = 0 },
        Case("TCP over IPv6 with 47", GSO_DETAIL_TINY) { ($0.type, $0.size) = (GSO_TCPV6.rawValue, 47) },
        Case("UDP with 8", GSO_DETAIL_NONE) { ($0.type, $0.size) = (GSO_UDP_L4.rawValue, 8) },
        Case("UDP with 7", GSO_DETAIL_MINUTE) { ($0.type, $0.size) = (GSO_UDP_L4.rawValue, 7) },
        Case("UDP fragments with 7", GSO_DETAIL_NONE) { ($0.type, $0.size) = (GSO_UDP.rawValue, 7) },
    ])
    func tinySize(_ line: Case) {
        var facts = facts(line)
        #expect(gso_tiny_size(&facts, 48) == line.verdict.rawValue)
    }

    @Test(arguments: [(UInt32(8), UInt16(8), GSO_DETAIL_NONE), (8, 7, GSO_DETAIL_MINUTE), (536, 535, GSO_DETAIL_TINY)])
    func theSmallestSizeIsTheAdministrators(_ smallest: UInt32, _ size: UInt16, _ verdict: gso_detail) {
        var facts = facts(Case("", verdict) { $0.size = size })
        #expect(gso_tiny_size(&facts, smallest) == verdict.rawValue)
    }

    @Test(arguments: [
        Verdict("65535", true) { $0.size = 65535 },
        Verdict("65535 of SCTP", false) { ($0.type, $0.size) = (GSO_SCTP.rawValue, 65535) },
        Verdict("65534", false) { $0.size = 65534 },
        Verdict("no type at all", true) { ($0.type, $0.size) = (0, 65535) },
    ])
    func byFrags(_ line: Verdict) {
        var facts = facts(line)
        #expect((gso_by_frags(&facts) != 0) == line.verdict)
    }

    private static func feature(_ bit: gso_type_bit) -> UInt64 { UInt64(bit.rawValue) << 16 }

    @Test(arguments: [
        Verdict("a device that takes all", false) { _ in },
        Verdict("a device that takes just this", false) { $0.features = feature(GSO_TCPV4) },
        Verdict("a device that takes all but this", true) { $0.features = ~feature(GSO_TCPV4) },
        Verdict("no feature asked for", false) { ($0.size, $0.features) = (0, 0) },
        Verdict("ECN that it does not take", true) {
            ($0.type, $0.features) = (types(GSO_TCPV4, GSO_TCP_ECN), feature(GSO_TCPV4))
        },
        Verdict("UDP, above the tracepoints' 16 bits", true) {
            ($0.type, $0.features) = (GSO_UDP_L4.rawValue, ~feature(GSO_UDP_L4))
        },
        Verdict("an owner's packet, checked by the kernel", false) {
            ($0.type, $0.features) = (types(GSO_TCPV4, GSO_DODGY), feature(GSO_TCPV4))
        },
        Verdict("fixed ids, which are the kernel's business", false) {
            $0.type = types(GSO_TCPV4, GSO_TCP_FIXEDID_OLD, GSO_TCP_FIXEDID, GSO_TCP_FIXEDID_INNER)
            $0.features = feature(GSO_TCPV4)
        },
        Verdict("a bit of a kernel to come", false) {
            ($0.type, $0.features) = (GSO_TCPV4.rawValue | 1 << 29, feature(GSO_TCPV4))
        },
    ])
    func unsupportedType(_ line: Verdict) {
        var facts = facts(line)
        #expect((gso_unsupported_type(&facts) != 0) == line.verdict)
    }

    @Test(arguments: [
        Case("TCP, which a header can say", GSO_DETAIL_READ_READER) { _ in },
        Case("UDP segments, too", GSO_DETAIL_READ_READER) { $0.becomeUDP() },
        Case("a tunnel that the owner takes", GSO_DETAIL_READ_READER) { $0.enterTunnel() },
        Case("a tunnel that it does not take", GSO_DETAIL_READ_TYPE) {
            $0.enterTunnel()
            $0.features = feature(GSO_TCPV4)
        },
        Case("a type without a protocol", GSO_DETAIL_READ_TYPE) { $0.type = GSO_DODGY.rawValue },
        Case("UDP fragments", GSO_DETAIL_READ_TYPE) { $0.type = GSO_UDP.rawValue },
        Case("an acknowledgement: no size", GSO_DETAIL_NONE) { $0.size = 0 },
    ])
    func readFailed(_ line: Case) {
        var facts = facts(line)
        #expect(gso_read_failed(&facts) == line.verdict.rawValue)
    }

    @Test(arguments: [
        Verdict("one protocol", false) { $0.type = types(GSO_TCPV4, GSO_TCP_ECN, GSO_DODGY, GSO_UDP_TUNNEL) },
        Verdict("none", false) { $0.type = GSO_DODGY.rawValue },
        Verdict("both TCPs", true) { $0.type = types(GSO_TCPV4, GSO_TCPV6) },
        Verdict("both UDPs", true) { $0.type = types(GSO_UDP, GSO_UDP_L4) },
        Verdict("TCP and SCTP", true) { $0.type = types(GSO_TCPV6, GSO_SCTP) },
        Verdict("both TCPs of an acknowledgement", false) { ($0.type, $0.size) = (types(GSO_TCPV4, GSO_TCPV6), 0) },
    ])
    func mixedTypes(_ line: Verdict) {
        var facts = facts(line)
        #expect((gso_mixed_types(&facts) != 0) == line.verdict)
    }

    @Test(arguments: [
        Verdict("TCP over IPv4", false) { $0.type = types(GSO_TCPV4, GSO_TCP_ECN) },
        Verdict("TCP over IPv6", false) { $0.type = types(GSO_TCPV6, GSO_TCP_ECN) },
        Verdict("UDP fragments", true) { $0.type = types(GSO_UDP, GSO_TCP_ECN) },
        Verdict("nothing else", true) { $0.type = types(GSO_DODGY, GSO_TCP_ECN) },
        Verdict("nothing else and no size", false) { ($0.type, $0.size) = (GSO_TCP_ECN.rawValue, 0) },
    ])
    func ecnWithoutTCP(_ line: Verdict) {
        var facts = facts(line)
        #expect((gso_ecn_without_tcp(&facts) != 0) == line.verdict)
    }

    @Test(arguments: [
        Verdict("UDP fragments", true) { $0.type = GSO_UDP.rawValue },
        Verdict("UDP segments", false) { $0.type = GSO_UDP_L4.rawValue },
        Verdict("no size", false) { ($0.type, $0.size) = (GSO_UDP.rawValue, 0) },
    ])
    func ufo(_ line: Verdict) {
        var facts = facts(line)
        #expect((gso_ufo(&facts) != 0) == line.verdict)
    }
}
