import CDetectorEvents
import Testing

/// The predicates of `arp_rules.h`: each sub-case beside its nearest frame that is fine.
@Suite struct ArpPredicateTests {
    typealias Case = PredicateCase<arp_facts, arp_detail>

    /// Every frame of the tables here.
    static var frames: [NamedFrame] {
        NamedFrame.all(headers) + NamedFrame.all(senderMACs) + NamedFrame.all(senderIPs) + NamedFrame.all(sources)
    }

    private func facts<Verdict>(_ line: PredicateCase<arp_facts, Verdict>) -> arp_facts {
        var facts = sampleArpFacts()
        line.change(&facts)
        return facts
    }

    private static let headers: [Case] = [
        Case("28 bytes", ARP_DETAIL_NONE) { $0.length = 28 },
        Case("27 bytes", ARP_DETAIL_SHORT) { $0.length = 27 },
        Case("8 bytes", ARP_DETAIL_SHORT) { $0.length = 8 },
        Case("7 bytes of another hardware type", ARP_DETAIL_SHORT) { ($0.length, $0.hardware_type) = (7, 15) },
        Case("8 bytes of another hardware type", ARP_DETAIL_HARDWARE_TYPE) { ($0.length, $0.hardware_type) = (8, 15) },
        Case("0 bytes", ARP_DETAIL_SHORT) { $0.length = 0 },
        Case("hardware type 0", ARP_DETAIL_HARDWARE_TYPE) { $0.hardware_type = 0 },
        Case("hardware type 6, IEEE 802", ARP_DETAIL_NONE) { $0.hardware_type = 6 },
        Case("hardware type 7", ARP_DETAIL_HARDWARE_TYPE) { $0.hardware_type = 7 },
        Case("protocol type 0x801", ARP_DETAIL_PROTOCOL_TYPE) { $0.protocol_type = 0x801 },
        Case("hardware length 5", ARP_DETAIL_HARDWARE_LENGTH) { $0.hardware_length = 5 },
        Case("hardware length 255", ARP_DETAIL_HARDWARE_LENGTH) { $0.hardware_length = 255 },
        Case("protocol length 16", ARP_DETAIL_PROTOCOL_LENGTH) { $0.protocol_length = 16 },
        Case("a device with addresses of 8 bytes, 31 in all", ARP_DETAIL_SHORT) {
            ($0.device_address_length, $0.hardware_length, $0.length) = (8, 8, 31)
        },
        Case("a device with addresses of 8 bytes, 32 in all", ARP_DETAIL_NONE) {
            ($0.device_address_length, $0.hardware_length, $0.length) = (8, 8, 32)
        },
        Case("operation 0", ARP_DETAIL_OPERATION) { $0.operation = 0 },
        Case("request", ARP_DETAIL_NONE) { $0.operation = 1 },
        Case("reply", ARP_DETAIL_NONE) { $0.operation = 2 },
        Case("RARP request", ARP_DETAIL_KNOWN_OPERATION) { $0.operation = 3 },
        Case("RARP reply", ARP_DETAIL_KNOWN_OPERATION) { $0.operation = 4 },
        Case("operation 5, dynamic RARP", ARP_DETAIL_OPERATION) { $0.operation = 5 },
        Case("operation 7", ARP_DETAIL_OPERATION) { $0.operation = 7 },
        Case("InARP request", ARP_DETAIL_KNOWN_OPERATION) { $0.operation = 8 },
        Case("InARP reply", ARP_DETAIL_KNOWN_OPERATION) { $0.operation = 9 },
        Case("ARP-NAK", ARP_DETAIL_KNOWN_OPERATION) { $0.operation = 10 },
        Case("operation 11", ARP_DETAIL_OPERATION) { $0.operation = 11 },
        Case("reply in the wrong byte order", ARP_DETAIL_OPERATION) { $0.operation = 0x200 },
    ]

    @Test(arguments: headers)
    func malformed(_ line: Case) {
        var facts = facts(line)
        #expect(arp_malformed(&facts) == line.verdict.rawValue)
    }

    private static let senderMACs: [Case] = [
        Case("a station", ARP_DETAIL_NONE) { _ in },
        Case("zero", ARP_DETAIL_MAC_ZERO) { $0.sender_mac = 0 },
        Case("one more than zero", ARP_DETAIL_NONE) { $0.sender_mac = 1 },
        Case("broadcast", ARP_DETAIL_MAC_BROADCAST) { $0.sender_mac = 0xffff_ffff_ffff },
        Case("one less than broadcast", ARP_DETAIL_MAC_MULTICAST) { $0.sender_mac = 0xffff_ffff_fffe },
        Case("multicast", ARP_DETAIL_MAC_MULTICAST) { $0.sender_mac = 0x0100_5e00_0001 },
        Case("locally administered", ARP_DETAIL_NONE) { $0.sender_mac = 0x0200_5e00_0001 },
        Case("NLB multicast", ARP_DETAIL_NONE) { $0.sender_mac = 0x03bf_c000_0201 },
        Case("beside NLB multicast", ARP_DETAIL_MAC_MULTICAST) { $0.sender_mac = 0x03be_c000_0201 },
        Case("from Ethernet zero", ARP_DETAIL_ETHERNET_SOURCE) { $0.eth_source = 0 },
        Case("from Ethernet broadcast", ARP_DETAIL_ETHERNET_SOURCE) { $0.eth_source = 0xffff_ffff_ffff },
        Case("from Ethernet multicast", ARP_DETAIL_ETHERNET_SOURCE) { $0.eth_source = 0x0100_5e00_0001 },
        Case("from Ethernet NLB multicast", ARP_DETAIL_NONE) { $0.eth_source = 0x03bf_c000_0201 },
        Case("no Ethernet header", ARP_DETAIL_NONE) { ($0.eth_source, $0.has_ethernet) = (0, 0) },
    ]

    @Test(arguments: senderMACs)
    func badSenderMAC(_ line: Case) {
        var facts = facts(line)
        #expect(arp_bad_sender_mac(&facts) == line.verdict.rawValue)
    }

    private static let senderIPs: [Case] = [
        Case("0.0.0.0 in a request: a probe", ARP_DETAIL_NONE) { $0.sender_ip = 0 },
        Case("0.0.0.0 in a reply", ARP_DETAIL_IP_ZERO_IN_REPLY) { ($0.sender_ip, $0.operation) = (0, 2) },
        Case("0.0.0.1", ARP_DETAIL_IP_THIS_NETWORK) { $0.sender_ip = 1 },
        Case("0.255.255.255", ARP_DETAIL_IP_THIS_NETWORK) { $0.sender_ip = 0x00ff_ffff },
        Case("1.0.0.0", ARP_DETAIL_NONE) { $0.sender_ip = 0x0100_0000 },
        Case("126.255.255.255", ARP_DETAIL_NONE) { $0.sender_ip = 0x7eff_ffff },
        Case("127.0.0.0", ARP_DETAIL_IP_LOOPBACK) { $0.sender_ip = 0x7f00_0000 },
        Case("127.255.255.255", ARP_DETAIL_IP_LOOPBACK) { $0.sender_ip = 0x7fff_ffff },
        Case("128.0.0.0", ARP_DETAIL_NONE) { $0.sender_ip = 0x8000_0000 },
        Case("169.254.0.1", ARP_DETAIL_NONE) { $0.sender_ip = 0xa9fe_0001 },
        Case("223.255.255.255", ARP_DETAIL_NONE) { $0.sender_ip = 0xdfff_ffff },
        Case("224.0.0.0", ARP_DETAIL_IP_MULTICAST) { $0.sender_ip = 0xe000_0000 },
        Case("239.255.255.255", ARP_DETAIL_IP_MULTICAST) { $0.sender_ip = 0xefff_ffff },
        Case("240.0.0.0", ARP_DETAIL_IP_RESERVED) { $0.sender_ip = 0xf000_0000 },
        Case("255.255.255.254", ARP_DETAIL_IP_RESERVED) { $0.sender_ip = 0xffff_fffe },
        Case("255.255.255.255", ARP_DETAIL_IP_BROADCAST) { $0.sender_ip = 0xffff_ffff },
        Case("our subnet's broadcast address", ARP_DETAIL_IP_SUBNET_BROADCAST) {
            $0.sender_place = places(ARP_PLACE_SUBNET_BROADCAST, ARP_PLACE_ON_LINK)
        },
        Case("the same where another subnet has it as a host's", ARP_DETAIL_NONE) {
            $0.sender_place = places(ARP_PLACE_SUBNET_BROADCAST, ARP_PLACE_OURS)
        },
    ]

    @Test(arguments: senderIPs)
    func badSenderIP(_ line: Case) {
        var facts = facts(line)
        #expect(arp_bad_sender_ip(&facts) == line.verdict.rawValue)
    }

    private static let sources: [PredicateCase<arp_facts, Bool>] = [
        PredicateCase<arp_facts, Bool>("the same", false) { _ in },
        .init("another", true) { $0.sender_mac = 0x0266_0000_0003 },
        .init("another without an Ethernet header", false) { ($0.sender_mac, $0.has_ethernet) = (3, 0) },
        .init("another, where [Trust] names one as virtual", false) { ($0.sender_mac, $0.is_virtual) = (3, 1) },
        .init("VRRP in the ARP header", false) { $0.sender_mac = 0x0000_5e00_0133 },
        .init("VRRP in the Ethernet header", false) { $0.eth_source = 0x0000_5e00_0133 },
        .init("VRRP of IPv6, which ARP knows not", true) { $0.sender_mac = 0x0000_5e00_0233 },
        .init("HSRP version 1", false) { $0.sender_mac = 0x0000_0c07_ac01 },
        .init("beside HSRP version 1", true) { $0.sender_mac = 0x0000_0c07_ad01 },
        .init("HSRP version 2", false) { $0.sender_mac = 0x0000_0c9f_ffff },
        .init("beside HSRP version 2", true) { $0.sender_mac = 0x0000_0c9f_e001 },
        .init("GLBP", false) { $0.sender_mac = 0x0007_b400_0101 },
        .init("beside GLBP", true) { $0.sender_mac = 0x0007_b500_0101 },
        .init("NLB multicast", false) { $0.sender_mac = 0x03bf_c000_0201 },
        .init("NLB multicast as the source only", true) { $0.eth_source = 0x03bf_c000_0201 },
        .init("NLB unicast, member 1", false) { ($0.eth_source, $0.sender_mac) = (0x0201_c000_0201, 0x02bf_c000_0201) },
        .init("NLB unicast, member 32", false) {
            ($0.eth_source, $0.sender_mac) = (0x0220_c000_0201, 0x02bf_c000_0201)
        },
        .init("NLB unicast, member 0", true) { ($0.eth_source, $0.sender_mac) = (0x0200_c000_0201, 0x02bf_c000_0201) },
        .init("NLB unicast, member 33", true) { ($0.eth_source, $0.sender_mac) = (0x0221_c000_0201, 0x02bf_c000_0201) },
        .init("NLB unicast, another cluster", true) {
            ($0.eth_source, $0.sender_mac) = (0x0201_c000_0202, 0x02bf_c000_0201)
        },
        .init("NLB unicast the wrong way round", true) {
            ($0.eth_source, $0.sender_mac) = (0x02bf_c000_0201, 0x0201_c000_0201)
        },
    ]

    @Test(arguments: sources)
    func senderMismatch(_ line: PredicateCase<arp_facts, Bool>) {
        var facts = facts(line)
        #expect((arp_sender_mismatch(&facts) != 0) == line.verdict)
    }

    @Test(arguments: [
        (UInt16(1), true), (6, true), (774, true), (0, false), (3, false), (24, false), (772, false), (65534, false),
    ])
    func onlyEthernetLikeDevicesAreJudged(_ deviceType: UInt16, _ isJudged: Bool) {
        #expect((arp_is_ethernet_like(deviceType) != 0) == isJudged)
    }
}
