import AnomalyModel
import CDetectorEvents
import Detectors
import Testing

/// What several rules make of one frame, which of them has the entry, and what [Trust] takes out.
@Suite struct ArpVerdictTests {
    typealias Case = PredicateCase<arp_facts, [arp_rule: arp_detail]>

    /// Every frame of the tables here.
    static var frames: [NamedFrame] {
        NamedFrame.all(receivedFrames) + NamedFrame.all(sentFrames, isSent: true)
    }

    private func broken(_ verdict: arp_verdict) -> [arp_rule: arp_detail] {
        let details = withUnsafeBytes(of: verdict.details) { Array($0) }
        let rules = details.indices.filter { verdict.rules & 1 << UInt32($0) != 0 }
        return Dictionary(uniqueKeysWithValues: rules.map { (arp_rule(UInt32($0)), arp_detail(UInt32(details[$0]))) })
    }

    private func bits(_ rules: some Sequence<arp_rule>) -> UInt32 { rules.reduce(0) { $0 | 1 << $1.rawValue } }

    private static let receivedFrames: [Case] = [
        Case("nothing is wrong", [:]) { _ in },
        Case("one thing", [ARP_RULE_SENDER_MISMATCH: ARP_DETAIL_NONE]) { $0.eth_source = 0x0266_0000_0003 },
        Case(
            "a forged frame: everything that it breaks",
            [
                ARP_RULE_BAD_SENDER_MAC: ARP_DETAIL_MAC_BROADCAST, ARP_RULE_BAD_SENDER_IP: ARP_DETAIL_IP_MULTICAST,
                ARP_RULE_SENDER_MISMATCH: ARP_DETAIL_NONE, ARP_RULE_BAD_TARGET: ARP_DETAIL_IP_LOOPBACK,
            ]
        ) { ($0.sender_mac, $0.sender_ip, $0.target_ip) = (0xffff_ffff_ffff, 0xe000_0001, 0x7f00_0001) },
        Case(
            "a conflict from elsewhere",
            [
                ARP_RULE_ADDRESS_CONFLICT: ARP_DETAIL_CONFLICT_CLAIM, ARP_RULE_SENDER_MISMATCH: ARP_DETAIL_NONE,
            ]
        ) { ($0.sender_place, $0.eth_source) = (places(ARP_PLACE_OURS), 3) },
        Case("an impossible address is of no subnet either", [ARP_RULE_BAD_SENDER_IP: ARP_DETAIL_IP_LOOPBACK]) {
            ($0.sender_ip, $0.sender_place) = (0x7f00_0001, places(ARP_PLACE_HAS_SUBNET))
        },
        Case("a stranger asks us", [ARP_RULE_BOGON_SENDER: ARP_DETAIL_BOGON_ASKS_US]) {
            $0.sender_place = places(ARP_PLACE_HAS_SUBNET)
        },
        Case("a stranger asks another", [ARP_RULE_BOGON_SENDER: ARP_DETAIL_NONE]) {
            ($0.sender_place, $0.target_place) = (places(ARP_PLACE_HAS_SUBNET), places(ARP_PLACE_HAS_SUBNET))
        },
        Case("what is malformed is judged no further", [ARP_RULE_MALFORMED: ARP_DETAIL_OPERATION]) {
            ($0.operation, $0.sender_mac) = (99, 0)
        },
        Case("without ARP nothing else matters", [ARP_RULE_ON_NOARP_DEVICE: ARP_DETAIL_NONE]) {
            ($0.is_noarp, $0.operation, $0.sender_mac) = (1, 99, 0)
        },
    ]

    @Test(arguments: receivedFrames)
    func receivedFrame(_ line: Case) {
        var facts = sampleArpFacts()
        line.change(&facts)
        var verdict = arp_verdict()
        arp_judge_received(&facts, &verdict)
        #expect(broken(verdict) == line.verdict)
    }

    private static let sentFrames: [Case] = [
        Case("of an address that is not ours", [ARP_RULE_LOCAL_SPOOF: ARP_DETAIL_NONE]) { _ in },
        Case("of an address of ours", [:]) { $0.sender_place = places(ARP_PLACE_OURS) },
        Case("malformed: the receivers' matter", [:]) { $0.operation = 99 },
        Case(
            "for another, in another's name",
            [
                ARP_RULE_LOCAL_SPOOF: ARP_DETAIL_NONE, ARP_RULE_SENDER_MISMATCH: ARP_DETAIL_NONE,
                ARP_RULE_TARGET_MISMATCH: ARP_DETAIL_NONE,
            ]
        ) {
            ($0.operation, $0.eth_source) = (2, 3)
            ($0.eth_destination, $0.target_mac) = (0x0266_0000_0008, 0x0266_0000_0009)
        },
    ]

    @Test(arguments: sentFrames)
    func sentFrame(_ line: Case) {
        var facts = sampleArpFacts()
        line.change(&facts)
        var verdict = arp_verdict()
        arp_judge_sent(&facts, &verdict)
        #expect(broken(verdict) == line.verdict)
    }

    @Test(
        arguments: [
            // One alone.
            ([ARP_RULE_TRACE], [], ARP_RULE_TRACE),
            (
                [ARP_RULE_ADDRESS_CONFLICT], [ARP_RULE_ADDRESS_CONFLICT],
                ARP_RULE_ADDRESS_CONFLICT
            ),
            // The first, where none is mild.
            ([ARP_RULE_SENDER_MISMATCH, ARP_RULE_BAD_SENDER_MAC], [], ARP_RULE_BAD_SENDER_MAC),
            ([ARP_RULE_ODD_DELIVERY, ARP_RULE_BAD_TARGET], [], ARP_RULE_BAD_TARGET),
            // A mild one gives way to what is worth a warning, but not to less.
            (
                [ARP_RULE_ADDRESS_CONFLICT, ARP_RULE_MANY_ADDRESSES], [ARP_RULE_ADDRESS_CONFLICT],
                ARP_RULE_MANY_ADDRESSES
            ),
            ([ARP_RULE_ADDRESS_CONFLICT, ARP_RULE_SCAN], [ARP_RULE_ADDRESS_CONFLICT], ARP_RULE_ADDRESS_CONFLICT),
            (
                [ARP_RULE_LOCAL_SPOOF, ARP_RULE_DUPLICATE_CLAIM], [ARP_RULE_LOCAL_SPOOF, ARP_RULE_DUPLICATE_CLAIM],
                ARP_RULE_LOCAL_SPOOF
            ),
        ] as [([arp_rule], [arp_rule], arp_rule)])
    func theEntryIsTheMostTellingRules(_ rules: [arp_rule], _ mild: [arp_rule], _ first: arp_rule) {
        #expect(arp_most_telling(bits(rules), bits(mild)) == first.rawValue)
    }

    /// The kernel half must know which entries will be a notice: else one would hide a warning.
    @Test func whatIsMildInTheKernelIsANoticeInTheEntry() throws {
        // What the neighbour table tells is no matter of one frame.
        let ofBindings = ARP_DETAIL_BINDING_APPLIED.rawValue...ARP_DETAIL_BINDING_RETURNED.rawValue
        for (rule, detail) in arpSubcases where rule.rawValue <= ARP_RULE_MANY_ADDRESSES.rawValue {
            if ofBindings.contains(detail.rawValue) { continue }
            let priority = try decode(sampleArpEvent(rule, detail: detail), as: arp).priority
            #expect((arp_is_mild(detail.rawValue) != 0) == (priority > .warning), "\(rule) \(detail)")
        }
    }

    @Test func rulesWorthAWarningComeFirst() {
        for (number, rule) in arp.rules.enumerated() {
            #expect((rule.priority <= .warning) == (number <= ARP_RULE_MANY_ADDRESSES.rawValue), "\(rule.name)")
        }
    }

    private static let ofChange: Set = [
        ARP_RULE_LOCAL_SPOOF, ARP_RULE_FLIP_FLOP, ARP_RULE_BINDING_CHANGE, ARP_RULE_DUPLICATE_CLAIM,
        ARP_RULE_UNSOLICITED_REPLY,
    ]

    @Test(arguments: [
        PredicateCase<arp_trust, Set<arp_rule>>("nobody", []) { _ in },
        .init(
            "a virtual MAC",
            [
                ARP_RULE_FLIP_FLOP, ARP_RULE_DUPLICATE_CLAIM, ARP_RULE_SENDER_MISMATCH, ARP_RULE_MANY_ADDRESSES,
            ]
        ) { $0.is_virtual = 1 },
        .init("a service's address", ofChange) { $0.is_service = 1 },
        .init("a service's address with known bindings, another MAC", []) { ($0.is_service, $0.is_bound) = (1, 1) },
        .init("an address with known bindings, another MAC", []) { $0.is_bound = 1 },
        .init("a known binding", ofChange.union([ARP_RULE_ADDRESS_CONFLICT, ARP_RULE_SENDER_MISMATCH])) {
            ($0.is_bound, $0.is_known) = (1, 1)
        },
        .init("a rule's own list", [ARP_RULE_SCAN]) { $0.rules = 1 << ARP_RULE_SCAN.rawValue },
        .init("a service's address and a rule's own list", ofChange.union([ARP_RULE_SCAN])) {
            ($0.is_service, $0.rules) = (1, 1 << ARP_RULE_SCAN.rawValue)
        },
    ])
    func trustExcuses(_ line: PredicateCase<arp_trust, Set<arp_rule>>) {
        var trust = arp_trust()
        line.change(&trust)
        #expect(arp_excused(&trust) == bits(line.verdict))
    }
}
