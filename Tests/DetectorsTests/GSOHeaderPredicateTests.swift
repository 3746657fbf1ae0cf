import CDetectorEvents
import Testing

/// The predicates of `tun_gso_rules.h` about lengths, checksum and place of the headers.
@Suite struct GSOHeaderPredicateTests {
    typealias Case = PredicateCase<gso_facts, gso_detail>
    typealias Verdict = PredicateCase<gso_facts, Bool>

    private func facts<Answer>(_ line: PredicateCase<gso_facts, Answer>) -> gso_facts {
        var facts = healthyGSOFacts()
        line.change(&facts)
        return facts
    }

    /// Packets of which the rules about data can say nothing, whatever their numbers are.
    private static let opaque: [Verdict] = [
        Verdict("unread headers", false) { ($0.header_length, $0.l4_protocol, $0.l4_header) = (0, 255, 0) },
        Verdict("ESP", false) { $0.type |= GSO_ESP.rawValue },
        Verdict("segmented in part already", false) { $0.type |= GSO_PARTIAL.rawValue },
        Verdict("remote checksum", false) { $0.type |= GSO_TUNNEL_REMCSUM.rawValue },
        Verdict("a list of packets", false) { $0.type |= GSO_FRAGLIST.rawValue },
        Verdict("SCTP", false) { ($0.type, $0.l4_protocol) = (GSO_SCTP.rawValue, 132) },
        Verdict("UDP fragments", false) { ($0.type, $0.l4_protocol) = (GSO_UDP.rawValue, 17) },
        Verdict("another protocol than the type's", false) { $0.l4_protocol = 17 },
        Verdict("encapsulated, but not as a tunnel", false) { $0.encapsulation = 1 },
        Verdict("a tunnel without inner headers", false) { $0.type |= GSO_GRE.rawValue },
        Verdict("no size", false) { $0.size = 0 },
    ]

    @Test(arguments: opaque) func whatCannotBeSeenIsNotJudged(_ line: Verdict) {
        var facts = healthyGSOFacts()
        (facts.length, facts.segs, facts.checksum_start, facts.mtu) = (60, 9, 1000, 576)
        line.change(&facts)
        #expect(gso_checksum_start(&facts) == GSO_DETAIL_NONE.rawValue)
        #expect(gso_segs_mismatch(&facts) == GSO_DETAIL_NONE.rawValue)
        #expect(gso_size_exceeds_mtu(&facts) == GSO_DETAIL_NONE.rawValue)
        #expect(gso_size_exceeds_payload(&facts) == 0)
    }

    @Test(arguments: [
        Case("at the transport header", GSO_DETAIL_NONE) { _ in },
        Case("one byte before it", GSO_DETAIL_CHECKSUM_START) { $0.checksum_start = 83 },
        Case("in the data", GSO_DETAIL_CHECKSUM_START) { $0.checksum_start = 1000 },
        Case("not left to the kernel", GSO_DETAIL_NONE) { ($0.checksum_start, $0.ip_summed) = (1000, 0) },
        Case("of a tunnel, at the inner header", GSO_DETAIL_NONE) { $0.enterTunnel() },
        Case("of a tunnel, at the outer header", GSO_DETAIL_CHECKSUM_START) {
            $0.enterTunnel()
            $0.checksum_start = 84
        },
        Case("TCP's in UDP's field", GSO_DETAIL_CHECKSUM_FIELD) { $0.checksum_offset = 6 },
        Case("UDP's", GSO_DETAIL_NONE) { $0.becomeUDP() },
        Case("UDP's in TCP's field", GSO_DETAIL_CHECKSUM_FIELD) {
            $0.becomeUDP()
            $0.checksum_offset = 16
        },
    ])
    func checksumStart(_ line: Case) {
        var facts = facts(line)
        #expect(gso_checksum_start(&facts) == line.verdict.rawValue)
    }

    @Test(arguments: [
        Verdict("equal", false) { _ in },
        Verdict("one too few", true) { $0.told_length -= 1 },
        Verdict("one too many", true) { $0.told_length += 1 },
        Verdict("not told: longer than the field can say", false) { ($0.length, $0.told_length) = (80_000, 0) },
        Verdict("not seen", false) { $0.length = 0 },
        Verdict("ESP", false) { ($0.type, $0.told_length) = (types(GSO_TCPV4, GSO_ESP), 100) },
        Verdict("encapsulated, but not as a tunnel", false) { ($0.encapsulation, $0.told_length) = (1, 100) },
        Verdict("of a packet without a size", false) { ($0.size, $0.told_length) = (0, 100) },
        Verdict("of what is no TCP", true) { ($0.l4_protocol, $0.told_length) = (1, 100) },
    ])
    func lengthMismatch(_ line: Verdict) {
        var facts = facts(line)
        #expect((gso_length_mismatch(&facts) != 0) == line.verdict)
    }

    @Test(arguments: [
        Verdict("three segments", false) { _ in },
        Verdict("one segment and a byte", false) { $0.length = 40 + 1449 },
        Verdict("just one segment", true) { $0.length = 40 + 1448 },
        Verdict("less", true) { $0.length = 41 },
        Verdict("headers longer than the packet", true) { ($0.header_length, $0.length) = (80, 60) },
        Verdict("just one datagram", true) {
            $0.becomeUDP()
            $0.length = 28 + 1448
        },
        Verdict("the mark for a list of fragments", false) { $0.size = 65535 },
    ])
    func sizeExceedsPayload(_ line: Verdict) {
        var facts = facts(line)
        #expect((gso_size_exceeds_payload(&facts) != 0) == line.verdict)
    }

    @Test(arguments: [
        Case("three of three", GSO_DETAIL_NONE) { _ in },
        Case("the last one short", GSO_DETAIL_NONE) { $0.length -= 1447 },
        Case("the last one gone", GSO_DETAIL_SEGS_COUNT) { $0.length -= 1448 },
        Case("a fourth begun", GSO_DETAIL_SEGS_COUNT) { $0.length += 1 },
        Case("not counted yet", GSO_DETAIL_NONE) { ($0.segs, $0.length) = (0, 5000) },
        Case("BIG TCP", GSO_DETAIL_NONE) { ($0.length, $0.segs) = (40 + 200 * 1448, 200) },
        Case("BIG TCP, more than its 16 bits hold", GSO_DETAIL_SEGS_COUNT) {
            ($0.size, $0.length, $0.segs) = (8, 40 + 8 * 65_537, 1)
        },
        Case("a tunnel's inner data", GSO_DETAIL_NONE) { $0.enterTunnel() },
        Case("128 datagrams", GSO_DETAIL_NONE) {
            $0.becomeUDP()
            ($0.length, $0.segs) = (28 + 128 * 1448, 128)
        },
        Case("129 datagrams", GSO_DETAIL_SEGS_TOO_MANY) {
            $0.becomeUDP()
            ($0.length, $0.segs) = (28 + 129 * 1448, 129)
        },
        Case("129 datagrams that nobody counted", GSO_DETAIL_SEGS_TOO_MANY) {
            $0.becomeUDP()
            ($0.length, $0.segs) = (28 + 129 * 1448, 0)
        },
    ])
    func segsMismatch(_ line: Case) {
        var facts = facts(line)
        #expect(gso_segs_mismatch(&facts) == line.verdict.rawValue)
    }

    @Test(arguments: [
        Case("1500 of 1500", GSO_DETAIL_NONE) { $0.size = 1460 },
        Case("1501 of 1500", GSO_DETAIL_MTU_SENT) { $0.size = 1461 },
        Case("1501 of 1500, from the owner", GSO_DETAIL_MTU_RECEIVED) {
            $0.comeFromOwner()
            $0.size = 1461
        },
        Case("9000 of 9000", GSO_DETAIL_NONE) { ($0.size, $0.mtu) = (8960, 9000) },
        Case("a tunnel's 1500 of 1500", GSO_DETAIL_NONE) {
            $0.enterTunnel()
            $0.size = 1410
        },
        Case("a tunnel's 1501 of 1500", GSO_DETAIL_MTU_SENT) {
            $0.enterTunnel()
            $0.size = 1411
        },
        Case("a jumbo option, which the segments do not have", GSO_DETAIL_NONE) {
            ($0.header_length, $0.jumbo_length, $0.size) = (68, 8, 1440)
        },
        Case("one byte more", GSO_DETAIL_MTU_SENT) { ($0.header_length, $0.jumbo_length, $0.size) = (68, 8, 1441) },
        Case("the mark for a list of fragments", GSO_DETAIL_NONE) { $0.size = 65535 },
    ])
    func sizeExceedsMTU(_ line: Case) {
        var facts = facts(line)
        #expect(gso_size_exceeds_mtu(&facts) == line.verdict.rawValue)
    }

    @Test(arguments: [
        Verdict("left to the kernel", false) { $0.comeFromOwner() },
        Verdict("none", true) {
            $0.comeFromOwner()
            $0.ip_summed = 0
        },
        Verdict("said to be right", false) {
            $0.comeFromOwner()
            $0.ip_summed = 1
        },
        Verdict("none, of SCTP, which has another", false) {
            $0.comeFromOwner()
            ($0.ip_summed, $0.type) = (0, GSO_SCTP.rawValue)
        },
        Verdict("none, towards the owner", false) { $0.ip_summed = 0 },
        Verdict("none, of a packet without a size", false) {
            $0.comeFromOwner()
            ($0.ip_summed, $0.size) = (0, 0)
        },
    ])
    func withoutChecksum(_ line: Verdict) {
        var facts = facts(line)
        #expect((gso_without_checksum(&facts) != 0) == line.verdict)
    }

    @Test(arguments: [
        Verdict("an IPv4 header and no more", false) {
            $0.comeFromOwner()
            $0.linear_end = 84
        },
        Verdict("a byte less", true) {
            $0.comeFromOwner()
            $0.linear_end = 83
        },
        Verdict("a byte less, towards the owner", false) { $0.linear_end = 83 },
        Verdict("an IPv6 header and no more", false) {
            $0.comeFromOwner()
            ($0.ip_version, $0.linear_end) = (6, 104)
        },
        Verdict("a byte less of it", true) {
            $0.comeFromOwner()
            ($0.ip_version, $0.linear_end) = (6, 103)
        },
        Verdict("nothing of what is no IP", false) {
            $0.comeFromOwner()
            ($0.ip_version, $0.linear_end) = (0, 64)
        },
        Verdict("nothing of a packet without a size", false) {
            $0.comeFromOwner()
            ($0.size, $0.linear_end) = (0, 64)
        },
    ])
    func shortHeader(_ line: Verdict) {
        var facts = facts(line)
        #expect((gso_short_header(&facts) != 0) == line.verdict)
    }
}
