import AnomalyModel
import CDetectorEvents
import Testing

@testable import Detectors

/// The lines of our scripts, as bpftrace 0.17 printed them for real packets of Linux 6.18.
@Suite struct SightTests {
    private func text<Name>(_ name: Name) -> String {
        String(decoding: withUnsafeBytes(of: name) { $0.prefix { $0 != 0 } }, as: UTF8.self)
    }

    @Test func `a request that the kernel sends`() throws {
        guard case .frame(let sight) = try sampleArpSight("arp-request-sent") else { throw NotThat() }
        #expect(sight.way == UInt8(ARP_SIGHT_SENT.rawValue) && sight.is_process == 0)
        #expect(sight.at.boottime_ns == 0x184c_6808_9c8c && sight.at.probe == ARP_PROBE_NET_DEV_QUEUE.rawValue)
        #expect((sight.at.netns, sight.at.ifindex, sight.at.pid, sight.at.cpu) == (0xf000_0223, 2, 0x235a, 1))
        #expect((sight.device_flags, sight.device_type, sight.device_address_length) == (0x1003, 1, 6))
        #expect(sight.places & 0xff == UInt32(places(ARP_PLACE_OURS, ARP_PLACE_ON_LINK, ARP_PLACE_HAS_SUBNET)))
        #expect(sight.places >> 8 & 0xff == UInt32(places(ARP_PLACE_ON_LINK, ARP_PLACE_HAS_SUBNET)))
        #expect(sight.places >> 16 == UInt32(ARP_SIGHT_SENDER_IS_OURS) >> 16)
        #expect(sight.device_mac == 0x0266_0000_0001 && sight.uppers == (0, 0, 0) && sight.domain == 2)
        #expect((sight.protocol, sight.has_vlan, sight.mac_header, sight.data) == (0x806, 0, 2, 2))
        #expect((sight.linear_end, sight.data_length) == (44, 0) && sight.buffer == 0xffff_8881_9c0f_e900)
        #expect(withUnsafeBytes(of: sight.bytes) { Array($0.prefix(8)) } == [255, 255, 255, 255, 255, 255, 2, 0x66])
        #expect(text(sight.at.ifname) == "a0" && text(sight.at.master) == "" && text(sight.at.comm) == "python3")
    }

    @Test func `a frame on the port of a bridge names what is above`() throws {
        guard case .frame(let sight) = try sampleArpSight("arp-on-a-bridge-port") else { throw NotThat() }
        #expect(text(sight.at.ifname) == "b0" && text(sight.at.master) == "br0")
        #expect(sight.uppers == (3, 0, 0) && sight.domain == 3 && sight.at.ifindex == 2)
    }

    @Test func `a packet socket is told from the kernel`() throws {
        guard case .frame(let sight) = try sampleArpSight("arp-claim-of-a-process") else { throw NotThat() }
        #expect(sight.is_process == 1)
    }

    @Test func `a dropped frame tells where and why`() throws {
        guard case .frame(let sight) = try sampleArpSight("arp-dropped-on-arrival") else { throw NotThat() }
        #expect(sight.way == UInt8(ARP_SIGHT_DROPPED.rawValue) && sight.location == 0xffff_ffff_81e6_4b01)
        #expect((sight.drop_reason, sight.received_on, sight.at.ifindex) == (73, 2, 2))
    }

    @Test func `a neighbour's change`() throws {
        guard case .change(let sight) = try sampleArpSight("arp-neighbour-changed") else { throw NotThat() }
        #expect(sight.kind == UInt8(ARP_CHANGE_UPDATE.rawValue) && sight.ip == 0xc000_0202)
        #expect((sight.old_mac, sight.new_mac, sight.flags) == (0x0266_0000_0002, 0x0266_0000_0007, 1))
        #expect((sight.old_state, sight.new_state) == (2, 2) && text(sight.at.ifname) == "a0")
    }

    @Test func `no answer, and no room`() throws {
        guard case .change(let failed) = try sampleArpSight("arp-no-answer") else { throw NotThat() }
        #expect(failed.kind == UInt8(ARP_CHANGE_FAILED.rawValue) && failed.ip == 0xc000_024d && failed.at.pid == 0)
        guard case .change(let full) = try sampleArpSight("arp-table-full") else { throw NotThat() }
        #expect(full.kind == UInt8(ARP_CHANGE_NO_ROOM.rawValue) && full.ip == 0xc000_0267 && full.entries == 4)
    }

    @Test func `a packet from a tap's owner`() throws {
        let sight = try sampleGSOSight("gso-ordinary")
        #expect(sight.way == UInt8(GSO_SIGHT_PASSING.rawValue) && sight.from_owner == 0)
        #expect(sight.at.probe == GSO_PROBE_NETIF_RECEIVE_SKB_ENTRY.rawValue && sight.at.ifindex == 2)
        #expect((sight.mtu, sight.tun_flags, sight.device_kind) == (1500, 0x5002, UInt8(GSO_DEVICE_TUN.rawValue)))
        #expect((sight.gso_type, sight.gso_size, sight.gso_segs) == (3, 1000, 0))
        #expect((sight.length, sight.data_length, sight.linear_end) == (3040, 0, 3118))
        #expect((sight.mac_header, sight.network_header, sight.transport_header) == (64, 78, 98))
        #expect((sight.checksum_start, sight.checksum_offset, sight.ip_summed) == (98, 16, 3))
        #expect((sight.protocol, sight.device_type, sight.encapsulation) == (0x800, 1, 0))
        #expect((sight.bytes_at, sight.data, sight.bytes_count) == (64, 78, 128))
        #expect(withUnsafeBytes(of: sight.bytes) { Array($0[12..<16]) } == [8, 0, 0x45, 0])
        #expect(text(sight.at.ifname) == "t0" && text(sight.at.comm) == "python3")
    }

    @Test(
        arguments: [
            ("gso-refused", GSO_SIGHT_REFUSED, GSO_DROP_TUN_WRITE, "t0"),
            ("gso-refused-on-a-macvtap", GSO_SIGHT_REFUSED, GSO_DROP_TAP_WRITE, "mt0"),
            ("gso-cannot-be-cut", GSO_SIGHT_DROPPED, GSO_DROP_SEGMENTATION, "t1"),
            ("gso-dropped-unread", GSO_SIGHT_DROPPED, GSO_DROP_OTHER, "t1"),
        ] as [(String, gso_sight_way, gso_drop_site, String)])
    func `a drop is known by its function, whatever the compiler appends`(
        name: String, way: gso_sight_way, site: gso_drop_site, device: String
    ) throws {
        let sight = try sampleGSOSight(name)
        #expect(sight.way == UInt8(way.rawValue) && sight.drop_site == UInt8(site.rawValue))
        #expect(text(sight.at.ifname) == device && sight.bytes_count == 88 && sight.location > UInt64(Int64.max))
    }

    @Test func `a macvtap's owner sends, and nobody else does on its behalf`() throws {
        #expect(try sampleGSOSight("gso-out-of-a-macvtap").from_owner == 1)
        #expect(try sampleGSOSight("gso-no-type").from_owner == 0)
    }

    @Test func `a name may be anything that a device or a process may be called`() throws {
        guard case .frame(let frame) = try sampleArpSight("arp-odd-device-name") else { throw NotThat() }
        #expect(text(frame.at.ifname) == "\u{1}d\u{7f}\"\\x" && text(frame.at.master) == "")
        var line = SightLine(try sampleLine("arp-odd-command"))
        #expect(ArpSight(&line) != nil)
        #expect(Array(line.command) == Array("\u{1}a\nb c/d".utf8) + [0xff, 0x7f])
        #expect(StackText(line.stack).frames.last == "arp_process+2116")
    }

    @Test func `the stack is the kernel's, innermost first, and no deeper than elsewhere`() throws {
        let line = SightLine(try sampleLine("arp-request-received"))
        let frames = StackText(line.stack).frames
        #expect(frames.prefix(2) == ["__netif_receive_skb_core.constprop.0+819", "__netif_receive_skb_one_core+57"])
        #expect(frames.count > 3 && frames.allSatisfy { !$0.isEmpty && !$0.contains(" ") })
        let deep = String(repeating: "\n        f+1", count: 100)
        #expect(StackText(Array(deep.utf8)[...]).frames == Array(repeating: "f+1", count: Int(NA_STACK_MAX)))
        #expect(StackText([]).frames.isEmpty)
    }

    // MARK: What is none of our lines

    private static let update = "tracepoint:neigh:neigh_timer_handler 1 2 3 eth0\n\n f+1\n\u{1}sh"

    private func isArp(_ text: String) -> Bool {
        var line = SightLine(Array(text.utf8))
        return ArpSight(&line) != nil
    }

    @Test func `the shortest line`() { #expect(isArp(Self.update)) }

    @Test(arguments: [
        "", " ", "\n", "\u{1}", "alive", "ready 1", "tracepoint:neigh:neigh_timer_handler",
        "tracepoint:neigh:neigh_timer_handler 1 2 3", "tracepoint:net:no_such_probe 1 2 3 eth0\n\n\u{1}sh",
        "tracepoint:neigh:neigh_timer 1 2 3 eth0\n\n\u{1}sh", "tracepoint:neigh:neigh_timer_handler 1 2 \n\n\u{1}sh",
        "tracepoint:neigh:neigh_timer_handler 1 2 3 eth0\n\n f+1\nsh",
        "tracepoint:neigh:neigh_timer_handler 1 2 x3 eth0\n\n\u{1}sh",
        "tracepoint:neigh:neigh_timer_handler 1 2 3X eth0\n\n\u{1}sh",
        "tracepoint:neigh:neigh_timer_handler 1 2 -3 eth0\n\n\u{1}sh",
        "tracepoint:neigh:neigh_timer_handler  1 2 3 eth0\n\n\u{1}sh",
        "tracepoint:neigh:neigh_timer_handler 1 2 1ffffffffffffffff eth0\n\n\u{1}sh",
        "tracepoint:neigh:neigh_timer_handler 1 2 3 eth0\n\n\u{1}a command that is longer than any",
    ])
    func `is not taken for one`(text: String) { #expect(!isArp(text)) }

    @Test func `a number has at most sixteen digits`() {
        var line = SightLine(Array("ffffffffffffffff 0 10000000000000000 \n\u{1}".utf8))
        #expect(line.number() == .max && line.number() == 0)
        #expect(line.isSound)
        _ = line.number()
        #expect(!line.isSound)
    }

    @Test(arguments: [
        "arp-request-sent", "arp-dropped-on-arrival", "arp-neighbour-changed", "arp-no-answer", "arp-table-full",
        "gso-ordinary", "gso-cannot-be-cut",
    ])
    func `a line that breaks off before its command is none`(name: String) throws {
        let whole = try sampleLine(name)
        let end = try #require(whole.lastIndex(of: 1))
        let detectors = try allDetectors.map { try scripted($0) }
        for length in 0...end {
            let taken = detectors.contains { takes($0, whole.prefix(length)) }
            #expect(!taken, "\(length) bytes")
        }
    }

    @Test func `one detector's lines are not the other's`() throws {
        let lines = [try sampleLine("arp-request-received"), try sampleLine("gso-ordinary")]
        for (number, detector) in allDetectors.enumerated() {
            let taken = try lines.map { takes(try scripted(detector), $0) }
            #expect(taken == [number == 0, number == 1])
        }
    }
}

private struct NotThat: Error {}
