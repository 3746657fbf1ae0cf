import AnomalyModel
import CDetectorEvents
import Testing

@testable import Detectors

/// Judging in the daemon: what the neighbour table's tracepoints tell, beside the frames that were heard.
@Suite struct HostNeighbourTests {
    private let judge: HostJudge
    private let lan: Lan
    private static let (old, new): (UInt64, UInt64) = (0x0266_0000_0002, 0x0266_0000_0003)
    private static let address: UInt32 = 0xc000_0202

    init() throws {
        judge = try hostJudge(of: arp)
        lan = Lan(judge)
    }

    private func update(
        from old: UInt64 = old, to new: UInt64 = new, _ shape: (inout arp_change_sight) -> Void = { _ in }
    ) -> [ArpEntry] {
        lan.change(ARP_CHANGE_UPDATE) { sight in
            (sight.old_mac, sight.new_mac) = (old, new)
            shape(&sight)
        }
    }

    /// Host 3 takes the address, and the table with it.
    private func hear(_ change: (inout arp_facts) -> Void) {
        _ = lan.hear {
            change(&$0)
            ($0.sender_mac, $0.eth_source, $0.sender_ip) = (Self.new, Self.new, Self.address)
        }
    }

    // MARK: Changes

    @Test func `by a reply that nobody asked for, or a request`() {
        hear { $0.answers(3, to: 9) }
        let reply = update()
        #expect(reply.map(\.rule) == [ARP_RULE_BINDING_CHANGE] && reply.map(\.detail) == [ARP_DETAIL_BINDING_APPLIED])
        #expect(reply.first?.event.operation == 2 && reply.first?.event.has_addresses == 1, "the frame behind it")
        hear { $0.asks(of: 3, for: 9) }
        #expect(update().map(\.detail) == [ARP_DETAIL_BINDING_APPLIED])
    }

    @Test func `by an announcement`() {
        hear { $0.announces(3) }
        // With the address of the change, not of the host.
        _ = lan.hear { $0.announces(3, address: Self.address) }
        #expect(update().map(\.detail) == [ARP_DETAIL_BINDING_ANNOUNCED])
    }

    @Test func `by an answer`() {
        _ = lan.send(isProcess: 0) { $0.asks(of: 9, for: 2) }
        hear { $0.answers(3, to: 9) }
        #expect(update().map(\.detail) == [ARP_DETAIL_BINDING_ANSWERED])
    }

    @Test func `by nothing that was heard`() {
        let change = update()
        #expect(change.map(\.detail) == [ARP_DETAIL_BINDING_APPLIED] && change.first?.event.has_addresses == 0)
        #expect(change.first?.event.has_neighbour == 1 && change.first?.event.neighbour_ip == Self.address.bigEndian)
    }

    @Test func `a frame is behind a change for a millisecond, of its CPU, address and MAC only`() {
        func effect(_ shape: (inout arp_change_sight) -> Void) -> arp_detail? {
            _ = lan.send(isProcess: 0) { $0.asks(of: 9, for: 2) }
            hear { $0.answers(3, to: 9) }
            return update(shape).first?.detail
        }
        #expect(effect { $0.at.boottime_ns += 900_000 } == ARP_DETAIL_BINDING_ANSWERED)
        #expect(effect { $0.at.boottime_ns += 1_000_000 } == ARP_DETAIL_BINDING_APPLIED)
        #expect(effect { $0.at.cpu = 1 } == ARP_DETAIL_BINDING_APPLIED)
        #expect(effect { $0.ip += 1 } == ARP_DETAIL_BINDING_APPLIED)
        #expect(effect { $0.new_mac += 1 } == ARP_DETAIL_BINDING_APPLIED)
    }

    @Test func `behind a macvlan, a worker of another CPU brings the change later`() {
        _ = lan.send(isProcess: 0) { $0.asks(of: 9, for: 2) }
        _ = lan.hear {
            $0.answers(3, to: 9, for: Self.address)
        } as: {
            $0.uppers.0 = 9
        }
        #expect(
            update { ($0.at.cpu, $0.at.boottime_ns) = (1, $0.at.boottime_ns + second) }.map(\.detail)
                == [ARP_DETAIL_BINDING_ANSWERED])
    }

    @Test func `a change that the kernel refuses`() {
        #expect(update { $0.flags = 0 }.map(\.detail) == [ARP_DETAIL_BINDING_REJECTED])
        _ = lan.send(isProcess: 0) { $0.asks(of: 9, for: 2) }
        hear { $0.answers(3, to: 9) }
        #expect(update { $0.flags = 0 }.map(\.detail) == [ARP_DETAIL_BINDING_SECOND_ANSWER])
    }

    @Test func `to or from a virtual router's MAC`() {
        #expect(update(to: 0x0000_5e00_0105).map(\.detail) == [ARP_DETAIL_BINDING_VIRTUAL])
        #expect(update(from: 0x0000_5e00_0105).map(\.detail) == [ARP_DETAIL_BINDING_VIRTUAL])
    }

    @Test func `a permanent neighbour is not to be changed`() {
        let attack = update { $0.old_state = 0x80 }
        #expect(attack.map(\.rule) == [ARP_RULE_STATIC_OVERWRITE] && attack.first?.event.old_state == 0x80)
    }

    @Test func `there and back again is a flip-flop`() {
        #expect(update().map(\.rule) == [ARP_RULE_BINDING_CHANGE])
        let back = update(from: Self.new, to: Self.old)
        #expect(back.first?.rules == [ARP_RULE_FLIP_FLOP, ARP_RULE_BINDING_CHANGE])
        #expect(back.map(\.rule) == [ARP_RULE_FLIP_FLOP] && back.first?.event.count == 2)
        #expect(update(to: 0x0266_0000_0004).map(\.rule) == [ARP_RULE_BINDING_CHANGE], "a third MAC")
    }

    // MARK: Neighbours that do not answer, and no room

    @Test func `who does not answer three times within a minute deserves a warning`() {
        for _ in 0..<2 { #expect(lan.change(ARP_CHANGE_FAILED).map(\.detail) == [ARP_DETAIL_NONE]) }
        let third = lan.change(ARP_CHANGE_FAILED)
        #expect(third.map(\.rule) == [ARP_RULE_RESOLUTION_FAILED] && third.first?.event.count == 3)
        #expect(third.map(\.detail) == [ARP_DETAIL_FAILED_REPEATEDLY] && third.first?.event.new_state == 0x20)
        #expect(lan.change(ARP_CHANGE_FAILED, of: 0xc000_0263).map(\.detail) == [ARP_DETAIL_NONE], "another")
        lan.wait(60 * second)
        #expect(lan.change(ARP_CHANGE_FAILED).map(\.detail) == [ARP_DETAIL_NONE])
    }

    @Test func `a table that is full tells how many it has`() {
        let full = lan.change(ARP_CHANGE_NO_ROOM) { $0.entries = 1024 }
        #expect(full.map(\.rule) == [ARP_RULE_TABLE_OVERFLOW])
        #expect(full.first?.event.table_entries == 1024 && full.first?.event.table_limit == 0, "which is not told")
    }

    // MARK: Where it is

    @Test func `the place of a neighbour is that of frames for it within a minute`() {
        func key() -> na_key? { lan.change(ARP_CHANGE_FAILED).first?.event.head.key }
        let unknown = key()
        #expect((unknown?.netns, unknown?.ifindex) == (0, 0) && unknown?.netns_cookie != 0)
        _ = lan.send(isProcess: 0) { $0.asks(of: 9, for: 2) }
        #expect(key()?.netns == 4_026_531_840 && key()?.ifindex == 7 && key()?.netns_cookie == 0)
        lan.wait(59 * second)
        #expect(key()?.ifindex == 7)
        lan.wait(second)
        #expect(key()?.ifindex == 0)
    }

    @Test func `devices of one name are told apart by the address, others by their names`() {
        let cookie = { (name: String) in
            self.lan.change(ARP_CHANGE_FAILED) { fill(&$0.at.ifname, name.utf8) }
                .first?.event.head.key.netns_cookie
        }
        #expect(cookie("eth1") == cookie("eth1") && cookie("eth1") != cookie("eth2"))
        _ = lan.hear {
            $0.asks(of: 2, for: 9)
        } as: {
            ($0.at.netns, $0.at.ifindex) = (5, 50)
        }
        #expect(lan.change(ARP_CHANGE_FAILED).first?.event.head.key.netns == 5)
        #expect(lan.change(ARP_CHANGE_FAILED, of: 0xc000_0263).first?.event.head.key.netns == 0)
    }

    @Test func `who does not answer is where the question was asked, whoever else hears of the address`() {
        func hear(in namespace: UInt32) {
            _ = lan.hear {
                $0.asks(of: 2, for: 9)
            } as: {
                $0.at.netns = namespace
            }
        }
        func ask(in namespace: UInt32) {
            _ = lan.send(isProcess: 0) {
                $0.asks(of: 9, for: 2)
            } as: {
                $0.at.netns = namespace
            }
        }
        func namespace() -> UInt32? { lan.change(ARP_CHANGE_FAILED).first?.event.head.key.netns }
        for other: UInt32 in [4, 5] { hear(in: other) }
        #expect(namespace() == 0)
        ask(in: 5)
        #expect(namespace() == 5)
        hear(in: 4)
        #expect(namespace() == 5)
        ask(in: 4)
        #expect(namespace() == 0, "both have asked")
    }

    @Test func `a neighbour behind a bridge is the bridge's`() {
        _ = lan.hear {
            $0.asks(of: 2, for: 9)
        } as: {
            fill(&$0.at.master, "br0".utf8)
            $0.uppers.0 = 30
        }
        let failed = lan.change(ARP_CHANGE_FAILED) { fill(&$0.at.ifname, "br0".utf8) }
        #expect(failed.first?.event.head.key.ifindex == 30)
    }
}
