import CDetectorEvents
import Testing

@testable import Detectors

/// Judging in the daemon: what frames break by what came before them.
///
/// One judge that has watched for long; stations are numbers, host n has 192.0.2.n and 02:66:00:00:00:n; we are host 9.
@Suite struct HostMemoryTests {
    private let judge: HostJudge
    private let lan: Lan

    init() throws {
        judge = try hostJudge(of: arp)
        lan = Lan(judge)
    }

    // MARK: Requests

    @Test func `a request too many within two seconds is a flood, with its number`() {
        for _ in 0..<5 { #expect(lan.hear { $0.asks(of: 2, for: 9) }.isEmpty) }
        let flood = lan.hear { $0.asks(of: 2, for: 9) }
        #expect(flood.map(\.rule) == [ARP_RULE_REQUEST_FLOOD] && flood.first?.event.count == 6)
        #expect(lan.hear { $0.asks(of: 3, for: 9) }.isEmpty, "another station's first")
        lan.wait(2 * second)
        #expect(lan.hear { $0.asks(of: 2, for: 9) }.isEmpty)
    }

    @Test func `more targets than a station may look for are a scan`() {
        for target: UInt32 in 10..<74 { #expect(lan.hear { $0.asks(of: 2, for: target) }.isEmpty) }
        #expect(lan.hear { $0.asks(of: 2, for: 73) }.isEmpty, "one of them again")
        let scan = lan.hear { $0.asks(of: 2, for: 74) }
        #expect(scan.map(\.rule) == [ARP_RULE_SCAN] && scan.map(\.detail) == [ARP_DETAIL_SCAN_RECEIVED])
        #expect(scan.first?.event.count == 65)
    }

    @Test(arguments: [(0, ARP_DETAIL_SCAN_BY_KERNEL), (1, ARP_DETAIL_SCAN_BY_PROCESS)] as [(UInt8, arp_detail)])
    func `our own scan says who it is`(isProcess: UInt8, detail: arp_detail) {
        func ask(_ target: UInt32) -> [ArpEntry] { lan.send(isProcess: isProcess) { $0.asks(of: 9, for: target) } }
        for target: UInt32 in 10..<74 { #expect(ask(target).isEmpty) }
        #expect(ask(74).map(\.detail) == [detail])
    }

    @Test func `the kernel asks as often as it is told to, a process does not`() {
        for _ in 0..<20 { #expect(lan.send(isProcess: 0) { $0.asks(of: 9, for: 2) }.isEmpty) }
        for _ in 0..<5 { _ = lan.send(isProcess: 1) { $0.asks(of: 9, for: 3) } }
        #expect(lan.send(isProcess: 1) { $0.asks(of: 9, for: 3) }.map(\.rule) == [ARP_RULE_REQUEST_FLOOD])
    }

    // MARK: Replies

    @Test func `a reply is unsolicited unless it was asked for a moment ago`() {
        #expect(lan.hear { $0.answers(2, to: 9) }.map(\.rule) == [ARP_RULE_UNSOLICITED_REPLY])
        _ = lan.send(isProcess: 0) { $0.asks(of: 9, for: 2) }
        #expect(lan.hear { $0.answers(2, to: 9) }.isEmpty)
        #expect(lan.hear { $0.answers(3, to: 9) }.map(\.rule) == [ARP_RULE_UNSOLICITED_REPLY], "of another")
        lan.wait(5 * second)
        #expect(lan.hear { $0.answers(2, to: 9) }.map(\.rule) == [ARP_RULE_UNSOLICITED_REPLY])
    }

    @Test func `whoever may have been asked meanwhile is not blamed`() {
        judge.forgetAsked(now: lan.now)
        #expect(lan.hear { $0.answers(2, to: 9) }.isEmpty)
        lan.wait(second)
        #expect(lan.hear { $0.answers(2, to: 9) }.map(\.rule) == [ARP_RULE_UNSOLICITED_REPLY])
    }

    @Test func `a request that another device shows again still asks`() {
        func ask(_ device: UInt32, below upper: UInt32) {
            _ = lan.send(isProcess: 0) {
                $0.asks(of: 9, for: 2)
            } as: {
                ($0.at.ifindex, $0.buffer, $0.uppers) = (device, 0xf00, (upper, 0, 0))
            }
        }
        ask(20, below: 0)
        lan.wait(5 * second - 1000)
        ask(20, below: 0)
        ask(7, below: 20)
        #expect(lan.hear { $0.answers(2, to: 9) }.isEmpty)
    }

    // MARK: Announcements and claims

    @Test func `an address is announced too often, or too many by one station`() {
        for _ in 0..<12 { #expect(lan.hear { $0.announces(2) }.isEmpty) }
        let flood = lan.hear { $0.announces(2) }
        #expect(flood.map(\.detail) == [ARP_DETAIL_FLOOD_ONE_ADDRESS] && flood.first?.event.count == 13)
        lan.wait(10 * second)
        var details: [arp_detail] = []
        for number: UInt32 in 0..<241 {
            let entries = lan.hear { $0.announces(2, address: 0xc000_0300 + number) }
            details += entries.filter { $0.rules.contains(ARP_RULE_GRATUITOUS_FLOOD) }.map(\.detail)
        }
        #expect(details == [ARP_DETAIL_FLOOD_ONE_SENDER])
    }

    @Test func `a virtual router announces as often as it likes`() {
        for _ in 0..<50 { #expect(lan.hear { $0.announces(2, mac: 0x0000_5e00_0105) }.isEmpty) }
    }

    @Test func `a MAC has too many addresses, announced or in replies that nobody asked for`() {
        for number: UInt32 in 0..<32 { #expect(lan.hear { $0.announces(2, address: 0xc000_0300 + number) }.isEmpty) }
        let served = lan.hear { $0.announces(2, address: 0xc000_0400) }
        #expect(served.map(\.rule) == [ARP_RULE_MANY_ADDRESSES] && served.map(\.detail) == [ARP_DETAIL_MANY_SERVED])
        let unasked = lan.hear { $0.answers(2, to: 9, for: 0xc000_0401) }
        #expect(unasked.map(\.detail) == [ARP_DETAIL_MANY_UNASKED] && unasked.first?.event.count == 34)
    }

    @Test func `an address moves once, and by turns that go on`() {
        #expect(lan.hear { $0.announces(2) }.isEmpty)
        let moved = lan.hear { $0.announces(3, address: 0xc000_0202) }
        #expect(moved.map(\.rule) == [ARP_RULE_DUPLICATE_CLAIM] && moved.map(\.detail) == [ARP_DETAIL_CLAIM_MOVED])
        for turn: UInt64 in 2..<8 {
            let entries = lan.hear { $0.announces(turn % 2 == 0 ? 2 : 3, address: 0xc000_0202) }
            #expect(entries.map(\.detail) == [ARP_DETAIL_CLAIM_MOVED])
        }
        let eighth = lan.hear { $0.announces(2, address: 0xc000_0202) }
        #expect(eighth.map(\.detail) == [ARP_DETAIL_CLAIM_ALTERNATING] && eighth.first?.event.count == 8)
        lan.wait(60 * second)
        #expect(lan.hear { $0.announces(3, address: 0xc000_0202) }.isEmpty, "nobody had it for a minute")
    }

    @Test func `a claim that nobody asked for takes the entry from milder ones`() {
        _ = lan.hear { $0.announces(2) }
        let claim = lan.hear { $0.answers(3, to: 9, for: 0xc000_0202) }
        #expect(claim.map(\.detail) == [ARP_DETAIL_CLAIM_UNASKED])
        #expect(claim.first?.rules == [ARP_RULE_DUPLICATE_CLAIM, ARP_RULE_UNSOLICITED_REPLY])
    }

    @Test func `two that answer one request`() {
        _ = lan.send(isProcess: 0) { $0.asks(of: 9, for: 2) }
        #expect(lan.hear { $0.answers(2, to: 9) }.isEmpty)
        let second = lan.hear { $0.answers(3, to: 9, for: 0xc000_0202) }
        #expect(second.map(\.detail) == [ARP_DETAIL_CLAIM_BOTH_ANSWER])
    }

    @Test func `an address of ours that moves is announced elsewhere for a moment, then claimed`() {
        func announce() -> [ArpEntry] {
            lan.hear { facts in
                facts.announces(2, address: 0xc000_0263)
                facts.sender_place = places(ARP_PLACE_OURS, ARP_PLACE_MOVABLE)
            }
        }
        #expect(announce().map(\.detail) == [ARP_DETAIL_CONFLICT_TAKEOVER])
        lan.wait(2 * second)
        #expect(announce().map(\.detail) == [ARP_DETAIL_CONFLICT_CLAIM])
    }

    @Test func `a local process claims what another was heard to have`() {
        func claim() -> [ArpEntry] {
            lan.send(isProcess: 1) { facts in
                facts.announces(9, address: 0xc000_0202)
                (facts.sender_place, facts.sender_mac_is_ours) = (places(ARP_PLACE_HAS_SUBNET), 1)
            }
        }
        #expect(claim().map(\.detail) == [ARP_DETAIL_SPOOF_ANNOUNCED])
        _ = lan.hear { $0.announces(2) }
        #expect(claim().map(\.detail) == [ARP_DETAIL_NONE])
    }

    // MARK: Room

    @Test func `what has no room is forgotten, and that is counted`() throws {
        let small = try hostJudge(of: arp, memoryEntries: 1024)
        let lan = Lan(small)
        for number: UInt32 in 0..<20 { _ = lan.hear { $0.asks(of: UInt64(number), for: number + 256) } }
        #expect(small.forgotten == 0)
        for number: UInt32 in 0..<5000 { _ = lan.hear { $0.asks(of: UInt64(number), for: number + 256) } }
        #expect(small.forgotten > 0)
        lan.wait(600 * second)
        let before = small.forgotten
        _ = lan.hear { $0.asks(of: 2, for: 9) }
        #expect(small.forgotten == before, "what has ended by itself gives its room")
    }
}

/// A network segment as one judge sees it: every frame is a millisecond after the one before.
final class Lan {
    private let judge: HostJudge
    private(set) var now = 100 * second

    init(_ judge: HostJudge) { self.judge = judge }

    func wait(_ nanoseconds: UInt64) { now += nanoseconds }

    /// A frame that is received.
    ///
    /// - Parameter shape: changes what the script shows of it.
    func hear(
        _ change: (inout arp_facts) -> Void, as shape: (inout arp_sight) -> Void = { _ in }
    ) -> [ArpEntry] {
        pass(isSent: false, change, shape)
    }

    /// A frame that this host sends.
    func send(
        isProcess: UInt8, _ change: (inout arp_facts) -> Void, as shape: (inout arp_sight) -> Void = { _ in }
    ) -> [ArpEntry] {
        pass(isSent: true, change) { sight in
            sight.is_process = isProcess
            shape(&sight)
        }
    }

    private func pass(
        isSent: Bool, _ change: (inout arp_facts) -> Void, _ shape: (inout arp_sight) -> Void
    ) -> [ArpEntry] {
        now += 1_000_000
        var facts = sampleArpFacts()
        facts.is_sent = isSent ? 1 : 0
        change(&facts)
        var sight = arp_sight(facts)
        sight.at.boottime_ns = now
        sight.buffer = now
        shape(&sight)
        return judge.entries(.frame(sight))
    }

    /// Something that happens in the neighbour table a moment after the last frame.
    func change(
        _ kind: arp_change_kind, of address: UInt32 = 0xc000_0202, _ shape: (inout arp_change_sight) -> Void = { _ in }
    ) -> [ArpEntry] {
        now += 1000
        var sight = arp_change_sight()
        sight.kind = UInt8(kind.rawValue)
        sight.at.probe = (kind == ARP_CHANGE_UPDATE ? ARP_PROBE_NEIGH_UPDATE : ARP_PROBE_NEIGH_TIMER_HANDLER).rawValue
        (sight.at.boottime_ns, sight.ip) = (now, address)
        fill(&sight.at.ifname, "eth0".utf8)
        if kind == ARP_CHANGE_UPDATE { (sight.old_state, sight.new_state, sight.flags) = (2, 2, 1) }
        shape(&sight)
        return judge.entries(.change(sight))
    }
}

extension arp_facts {
    private mutating func come(from host: UInt64, address: UInt32? = nil, mac: UInt64? = nil) {
        sender_mac = mac ?? 0x0266_0000_0000 | host
        eth_source = sender_mac
        sender_ip = address ?? 0xc000_0200 | UInt32(host)
    }

    /// A request for the address of a host.
    mutating func asks(of host: UInt64, for target: UInt32) {
        come(from: host)
        (operation, target_ip) = (1, 0xc000_0200 + target)
        if is_sent != 0 { sender_place = places(ARP_PLACE_OURS, ARP_PLACE_ON_LINK, ARP_PLACE_HAS_SUBNET) }
    }

    /// A reply to one host: for the station's own address, or another.
    mutating func answers(_ host: UInt64, to asker: UInt32, for address: UInt32? = nil) {
        come(from: host, address: address)
        (operation, target_ip) = (2, 0xc000_0200 + asker)
        target_mac = 0x0266_0000_0000 | UInt64(asker)
        (eth_destination, destination_is_ours) = (target_mac, asker == 9 ? 1 : 0)
    }

    /// A gratuitous request.
    mutating func announces(_ host: UInt64, address: UInt32? = nil, mac: UInt64? = nil) {
        come(from: host, address: address, mac: mac)
        (operation, target_ip) = (1, sender_ip)
        target_place = sender_place
    }
}
