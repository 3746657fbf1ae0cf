import CDetectorEvents
import Testing

/// The predicates of `arp_rules.h` that depend on whose addresses are in the frame, or on what went before it.
@Suite struct ArpPlacePredicateTests {
    typealias Case = PredicateCase<arp_facts, arp_detail>
    typealias Flag = PredicateCase<arp_facts, Bool>

    private static let ours = places(ARP_PLACE_OURS, ARP_PLACE_ON_LINK, ARP_PLACE_HAS_SUBNET)
    private static let foreign = places(ARP_PLACE_HAS_SUBNET)

    /// Every frame of the tables here.
    static var frames: [NamedFrame] {
        NamedFrame.all(claims) + NamedFrame.all(targets, of: reply) + NamedFrame.all(deliveries, of: reply)
            + NamedFrame.all(replies, of: reply) + NamedFrame.all(strangers) + NamedFrame.all(targetIPs)
            + NamedFrame.all(requests) + NamedFrame.all(claimsOfOurs, of: claimOfOurs, isSent: true)
    }

    private func facts<Verdict>(_ line: PredicateCase<arp_facts, Verdict>) -> arp_facts {
        var facts = sampleArpFacts()
        line.change(&facts)
        return facts
    }

    private static let claims: [Case] = [
        Case("a neighbour asks us", ARP_DETAIL_NONE) { _ in },
        Case("another station has our address", ARP_DETAIL_CONFLICT_CLAIM) { $0.sender_place = ours },
        Case("our own frame came back", ARP_DETAIL_NONE) { ($0.sender_place, $0.sender_mac_is_ours) = (ours, 1) },
        Case("a probe for our address", ARP_DETAIL_CONFLICT_PROBE) { $0.sender_ip = 0 },
        Case("a probe for another address", ARP_DETAIL_NONE) { ($0.sender_ip, $0.target_place) = (0, foreign) },
        Case("a reply of nobody to us", ARP_DETAIL_NONE) { ($0.sender_ip, $0.operation) = (0, 2) },
        Case("our own probe came back", ARP_DETAIL_NONE) { ($0.sender_ip, $0.sender_mac_is_ours) = (0, 1) },
        Case("more addresses than are looked at", ARP_DETAIL_NONE) { $0.sender_place = places(ARP_PLACE_UNKNOWN) },
    ]

    @Test(arguments: claims)
    func addressConflict(_ line: Case) {
        var facts = facts(line)
        #expect(arp_address_conflict(&facts) == line.verdict.rawValue)
    }

    /// A unicast reply to us, at which the changes of the next tables begin.
    private static func reply(_ facts: inout arp_facts) {
        facts.operation = 2
        (facts.eth_destination, facts.target_mac) = (0x0266_0000_0009, 0x0266_0000_0009)
        facts.destination_is_ours = 1
    }

    private static let targets: [Flag] = [
        Flag("a reply to whom it is meant for", false) { _ in },
        Flag("meant for another", true) { $0.target_mac = 0x0266_0000_0008 },
        Flag("the same in a request", false) { ($0.target_mac, $0.operation) = (8, 1) },
        Flag("the same sent to all", false) { ($0.target_mac, $0.eth_destination) = (8, 0xffff_ffff_ffff) },
        Flag("no target MAC", false) { $0.target_mac = 0 },
        Flag("without an Ethernet header", false) { ($0.target_mac, $0.has_ethernet) = (8, 0) },
        Flag("meant for a virtual router", false) { $0.target_mac = 0x0000_5e00_0133 },
        Flag("sent to a virtual router, meant for its host", true) { $0.eth_destination = 0x0000_5e00_0133 },
        Flag("meant for NLB's cluster, sent to member 1", false) {
            ($0.eth_destination, $0.target_mac) = (0x0201_c000_0201, 0x02bf_c000_0201)
        },
    ]

    @Test(arguments: targets)
    func targetMismatch(_ line: Flag) {
        var facts = sampleArpFacts()
        Self.reply(&facts)
        line.change(&facts)
        #expect((arp_target_mismatch(&facts) != 0) == line.verdict)
    }

    private static let deliveries: [Case] = [
        Case("a reply to us", ARP_DETAIL_NONE) { _ in },
        Case("sent to all", ARP_DETAIL_DELIVERED_TO_ALL) { $0.eth_destination = 0xffff_ffff_ffff },
        Case("sent to a group", ARP_DETAIL_DELIVERED_TO_ALL) { $0.eth_destination = 0x0100_5e00_0001 },
        Case("sent to all, announcing itself", ARP_DETAIL_NONE) {
            ($0.eth_destination, $0.target_ip) = (0xffff_ffff_ffff, $0.sender_ip)
        },
        Case("a link-local host's, sent to all", ARP_DETAIL_NONE) {
            ($0.eth_destination, $0.sender_ip) = (0xffff_ffff_ffff, 0xa9fe_0105)
        },
        Case("beside link-local, sent to all", ARP_DETAIL_DELIVERED_TO_ALL) {
            ($0.eth_destination, $0.sender_ip) = (0xffff_ffff_ffff, 0xa9fd_0105)
        },
        Case("sent to NLB's cluster", ARP_DETAIL_NONE) { $0.eth_destination = 0x03bf_c000_0201 },
        Case("a request sent to all", ARP_DETAIL_NONE) { ($0.eth_destination, $0.operation) = (0xffff_ffff_ffff, 1) },
        Case("for us, sent to another station", ARP_DETAIL_DELIVERED_TO_ANOTHER) {
            ($0.eth_destination, $0.destination_is_ours) = (0x0266_0000_0008, 0)
        },
        Case("for another, sent to another station", ARP_DETAIL_NONE) {
            ($0.eth_destination, $0.destination_is_ours, $0.target_place) = (0x0266_0000_0008, 0, foreign)
        },
        Case("without an Ethernet header", ARP_DETAIL_NONE) { ($0.has_ethernet, $0.destination_is_ours) = (0, 0) },
    ]

    @Test(arguments: deliveries)
    func oddDelivery(_ line: Case) {
        var facts = sampleArpFacts()
        Self.reply(&facts)
        line.change(&facts)
        #expect(arp_odd_delivery(&facts) == line.verdict.rawValue)
    }

    private static let replies: [Flag] = [
        Flag("nobody asked", true) { _ in },
        Flag("somebody asked", false) { $0.was_asked = 1 },
        Flag("a request", false) { $0.operation = 1 },
        Flag("for another", false) { $0.target_place = foreign },
        Flag("an announcement as a reply", false) { $0.target_ip = $0.sender_ip },
        Flag("sent to another station", false) { $0.destination_is_ours = 0 },
        Flag("sent to all", true) { ($0.destination_is_ours, $0.eth_destination) = (0, 0xffff_ffff_ffff) },
    ]

    @Test(arguments: replies)
    func unsolicitedReply(_ line: Flag) {
        var facts = sampleArpFacts()
        Self.reply(&facts)
        line.change(&facts)
        #expect((arp_unsolicited_reply(&facts) != 0) == line.verdict)
    }

    private static let strangers: [Flag] = [
        Flag("on link", false) { _ in },
        Flag("of no subnet", true) { $0.sender_place = foreign },
        Flag("of no subnet, where we have single addresses only", false) { $0.sender_place = 0 },
        Flag("ours", false) { $0.sender_place = places(ARP_PLACE_OURS, ARP_PLACE_HAS_SUBNET) },
        Flag("more addresses than are looked at", false) {
            $0.sender_place = places(ARP_PLACE_UNKNOWN, ARP_PLACE_HAS_SUBNET)
        },
        Flag("a probe", false) { ($0.sender_ip, $0.sender_place) = (0, foreign) },
        Flag("link-local, first", false) { ($0.sender_ip, $0.sender_place) = (0xa9fe_0000, foreign) },
        Flag("link-local, last", false) { ($0.sender_ip, $0.sender_place) = (0xa9fe_ffff, foreign) },
        Flag("behind link-local", true) { ($0.sender_ip, $0.sender_place) = (0xa9ff_0000, foreign) },
    ]

    @Test(arguments: strangers)
    func bogonSender(_ line: Flag) {
        var facts = facts(line)
        #expect((arp_bogon_sender(&facts) != 0) == line.verdict)
    }

    private static let targetIPs: [Case] = [
        Case("a host", ARP_DETAIL_NONE) { _ in },
        Case("0.0.0.0", ARP_DETAIL_IP_ZERO) { $0.target_ip = 0 },
        Case("0.0.0.0 in an answer to a probe", ARP_DETAIL_NONE) { ($0.target_ip, $0.operation) = (0, 2) },
        Case("127.0.0.1 in a reply", ARP_DETAIL_IP_LOOPBACK) { ($0.target_ip, $0.operation) = (0x7f00_0001, 2) },
        Case("0.0.0.1", ARP_DETAIL_NONE) { $0.target_ip = 1 },
        Case("126.255.255.255", ARP_DETAIL_NONE) { $0.target_ip = 0x7eff_ffff },
        Case("127.0.0.1", ARP_DETAIL_IP_LOOPBACK) { $0.target_ip = 0x7f00_0001 },
        Case("128.0.0.0", ARP_DETAIL_NONE) { $0.target_ip = 0x8000_0000 },
        Case("224.0.0.1", ARP_DETAIL_IP_MULTICAST) { $0.target_ip = 0xe000_0001 },
        Case("240.0.0.1", ARP_DETAIL_NONE) { $0.target_ip = 0xf000_0001 },
        Case("255.255.255.255", ARP_DETAIL_IP_BROADCAST) { $0.target_ip = 0xffff_ffff },
    ]

    @Test(arguments: targetIPs)
    func badTarget(_ line: Case) {
        var facts = facts(line)
        #expect(arp_bad_target(&facts) == line.verdict.rawValue)
    }

    private static let requests: [Flag] = [
        Flag("sent to all", false) { _ in },
        Flag("sent to our MAC", true) { $0.eth_destination = 0x0266_0000_0009 },
        Flag("a reply to our MAC", false) { ($0.eth_destination, $0.operation) = (0x0266_0000_0009, 2) },
        Flag("sent to another", false) { $0.eth_destination = 0x0266_0000_0008 },
        Flag("without an Ethernet header", false) { ($0.eth_destination, $0.has_ethernet) = (0x0266_0000_0009, 0) },
    ]

    @Test(arguments: requests)
    func unicastRequest(_ line: Flag) {
        var facts = facts(line)
        #expect((arp_unicast_request(&facts) != 0) == line.verdict)
    }

    /// Our own announcement of an address that is not ours.
    private static func claimOfOurs(_ facts: inout arp_facts) {
        (facts.sender_place, facts.sender_mac_is_ours, facts.target_ip) = (foreign, 1, facts.sender_ip)
    }

    /// nil: not the rule's matter.
    private static let claimsOfOurs: [PredicateCase<arp_facts, arp_detail?>] = [
        PredicateCase<arp_facts, arp_detail?>("announced for itself", ARP_DETAIL_SPOOF_ANNOUNCED) { _ in },
        .init("of an address of ours", nil) { $0.sender_place = ours },
        .init("where there are more addresses than are looked at", nil) { $0.sender_place = places(ARP_PLACE_UNKNOWN) },
        .init("a probe", nil) { ($0.sender_ip, $0.target_ip) = (0, 0xc000_0201) },
        .init("of an address somebody else was heard to have", ARP_DETAIL_NONE) { $0.was_known = 1 },
        .init("in another station's name", ARP_DETAIL_NONE) { $0.sender_mac_is_ours = 0 },
        .init("from another Ethernet source", ARP_DETAIL_NONE) { $0.eth_source = 0x0266_0000_0003 },
        .init("in a request for another", ARP_DETAIL_NONE) { $0.target_ip = 0xc000_0209 },
        .init("in an answer", ARP_DETAIL_SPOOF_ANNOUNCED) {
            ($0.operation, $0.target_ip, $0.was_asked) = (2, 0xc000_0209, 1)
        },
        .init("in a reply nobody asked for", ARP_DETAIL_NONE) { ($0.operation, $0.target_ip) = (2, 0xc000_0209) },
    ]

    @Test(arguments: claimsOfOurs)
    func localSpoof(_ line: PredicateCase<arp_facts, arp_detail?>) {
        var facts = sampleArpFacts()
        Self.claimOfOurs(&facts)
        line.change(&facts)
        var detail = ARP_DETAIL_NONE.rawValue
        #expect((arp_local_spoof(&facts, &detail) != 0) == (line.verdict != nil))
        #expect(detail == (line.verdict ?? ARP_DETAIL_NONE).rawValue)
    }
}
