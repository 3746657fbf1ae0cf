import AnomalyModel
import CDetectorEvents
import DaemonConfig
import Testing

@testable import Detectors

/// Judging in the daemon: what one frame breaks by itself, by the tables of the predicates, and what is read of it.
@Suite struct HostJudgeTests {
    /// What the kernel's programs would say of the frame, nothing asked for being known.
    private func verdict(_ frame: NamedFrame) -> arp_verdict {
        var facts = frame.facts
        // Addresses of other lengths are not read.
        if facts.length < 28 || facts.hardware_length != 6 || facts.protocol_length != 4 {
            (facts.sender_mac, facts.sender_ip, facts.target_mac, facts.target_ip) = (0, 0, 0, 0)
        }
        if facts.has_ethernet == 0 { (facts.eth_source, facts.eth_destination) = (0, 0) }
        (facts.was_asked, facts.was_known) = (1, 0)
        var verdict = arp_verdict()
        if frame.isSent { arp_judge_sent(&facts, &verdict) } else { arp_judge_received(&facts, &verdict) }
        return verdict
    }

    @Test(arguments: ArpVerdictTests.frames + ArpPredicateTests.frames + ArpPlacePredicateTests.frames)
    func `a frame breaks what it breaks in the kernel`(_ frame: NamedFrame) throws {
        let judge = try hostJudge(of: arp)
        judge.forgetAsked(now: 100 * second)
        if frame.facts.is_virtual != 0 { trustVirtual(frame.facts.sender_mac, judge) }
        let verdict = verdict(frame)
        let entries = judge.entries(.frame(arp_sight(frame.facts)))
        let bits = entries.reduce(UInt32(0)) { $0 | $1.event.head.key.also | 1 << $1.rule.rawValue }
        #expect(bits == verdict.rules && entries.count == (bits == 0 ? 0 : 1))
        guard let entry = entries.first else { return }
        #expect(entry.rule.rawValue == arp_most_telling(verdict.rules, verdict.mild))
        let details = withUnsafeBytes(of: verdict.details) { Array($0) }
        #expect(entry.detail.rawValue == UInt32(details[Int(entry.rule.rawValue)]))
    }

    private func trustVirtual(_ mac: UInt64, _ judge: HostJudge) {
        let mark = na_trust_mark(flags: NA_TRUST_VIRTUAL_MAC.rawValue, rules: 0)
        #expect(judge.setTrust(globs: [], macs: [(mac, 48, mark)], addresses: [], bindings: []))
    }

    private func sight(_ change: (inout arp_facts) -> Void) -> arp_sight {
        var facts = sampleArpFacts()
        change(&facts)
        return arp_sight(facts)
    }

    private func judged(_ sight: arp_sight) throws -> [ArpEntry] {
        let judge = try hostJudge(of: arp)
        judge.forgetAsked(now: 100 * second)
        return judge.entries(.frame(sight))
    }

    @Test func `an event tells all that was seen`() throws {
        let judge = try hostJudge(of: arp)
        let told = try told(try scripted(arp), try sampleLine("arp-short"), by: judge)
        let anomaly = try #require(told.first?.anomaly)
        #expect(told.count == 1 && anomaly.rule.name == RuleName("arp-malformed") && anomaly.kind == .event)
        #expect(anomaly.probe == "tracepoint:net:netif_receive_skb" && anomaly.backend == "bpftrace")
        #expect((anomaly.key.networkNamespace, anomaly.key.interfaceIndex) == (0xf000_0223, 2))
        #expect(anomaly.interfaceName == "a0" && anomaly.masterName == nil && anomaly.direction == .receive)
        #expect((anomaly.pid, anomaly.command, anomaly.controlGroup) == (0x235a, "python3", nil))
        #expect(anomaly.frames.first == "__netif_receive_skb_core.constprop.0+819" && anomaly.stack.isEmpty)
        #expect(anomaly.boottimeNanoseconds == 0x184c_f9dd_b3a5 && anomaly.suppressed == 0)
        #expect(anomaly.firstBoottimeNanoseconds == anomaly.lastBoottimeNanoseconds)
        #expect(anomaly.fieldLines.contains("ETH_SRC=02:66:00:00:00:02") && anomaly.fieldLines.contains("LEN=11"))
        let identity = try #require(told.first?.identity)
        #expect(identity.key == anomaly.key && identity.also == anomaly.also)
        #expect(identity.boottimeNanoseconds == anomaly.boottimeNanoseconds)
    }

    @Test func `a frame with a tag is judged, but nothing in it is taken for ours`() throws {
        var tagged = sight { $0.sender_place = places(ARP_PLACE_OURS, ARP_PLACE_ON_LINK, ARP_PLACE_HAS_SUBNET) }
        #expect(try judged(tagged).first?.rule == ARP_RULE_ADDRESS_CONFLICT)
        tagged.tag(12)
        #expect(try judged(tagged).isEmpty)
        var short = sight { ($0.length, $0.sender_mac) = (20, 0) }
        short.tag(12)
        let entry = try #require(try judged(short).first)
        #expect(entry.rule == ARP_RULE_MALFORMED && entry.event.vlan == 12 && entry.event.length == 20)
    }

    @Test func `a tag that was taken out of the frame counts the same, one of priority alone does not`() throws {
        var tagged = sight { $0.sender_place = places(ARP_PLACE_OURS) }
        (tagged.has_vlan, tagged.vlan_tci) = (1, 0x200c)
        #expect(try judged(tagged).isEmpty)
        tagged.vlan_tci = 0x2000
        #expect(try judged(tagged).first?.rule == ARP_RULE_ADDRESS_CONFLICT)
    }

    @Test func `what is not in the linear area is not judged`() throws {
        var frame = sight { $0.sender_mac = 0 }
        #expect(try judged(frame).first?.rule == ARP_RULE_BAD_SENDER_MAC)
        (frame.linear_end, frame.data_length) = (20, 24)
        #expect(try judged(frame).isEmpty)
    }

    @Test(arguments: [(UInt16(0x800), UInt16(1)), (0x806, 24)])
    func `what is not ARP over Ethernet is not judged`(ethertype: UInt16, device: UInt16) throws {
        var frame = sight { $0.sender_mac = 0 }
        (frame.protocol, frame.device_type) = (ethertype, device)
        #expect(try judged(frame).isEmpty)
    }

    @Test func `a device without ARP is one only while nothing is stacked on it`() throws {
        var frame = sight { $0.is_noarp = 1 }
        #expect(try judged(frame).map(\.rule) == [ARP_RULE_ON_NOARP_DEVICE])
        frame.uppers.0 = 9
        #expect(try judged(frame).isEmpty)
    }

    @Test func `a frame that went through a bridge is not judged again on its port`() throws {
        let judge = try hostJudge(of: arp)
        var frame = sight { ($0.is_sent, $0.sender_mac) = (1, 0x0266_0000_0009) }
        (frame.buffer, frame.at.cpu, frame.at.ifindex) = (0xf00, 1, 9)
        func isJudged(_ change: (inout arp_sight) -> Void) -> Bool {
            change(&frame)
            frame.at.boottime_ns += 1000
            return !judge.entries(.frame(frame)).isEmpty
        }
        #expect(isJudged { _ in })
        #expect(!isJudged { ($0.at.ifindex, $0.uppers) = (7, (9, 0, 0)) }, "one device below")
        #expect(!isJudged { $0.uppers = (8, 9, 0) }, "with one between that did not queue it")
        #expect(isJudged { $0.uppers = (8, 0, 0) }, "another device above")
        #expect(isJudged { ($0.buffer, $0.uppers) = (0xf01, (9, 0, 0)) }, "another frame")
        #expect(isJudged { ($0.buffer, $0.at.cpu) = (0xf00, 0) }, "another CPU has not sent it")
    }

    @Test func `a frame is judged again when its buffer comes back a second later`() throws {
        let judge = try hostJudge(of: arp)
        var frame = sight { ($0.is_sent, $0.sender_mac) = (1, 0x0266_0000_0009) }
        (frame.buffer, frame.at.ifindex) = (0xf00, 9)
        #expect(judge.entries(.frame(frame)).count == 1)
        (frame.at.ifindex, frame.uppers.0) = (7, 9)
        frame.at.boottime_ns += second
        #expect(judge.entries(.frame(frame)).count == 1)
    }

    @Test(
        arguments: [
            (UInt32(73), UInt32(0), ARP_RULE_DROPPED, NA_DIRECTION_RX), (62, 0, ARP_RULE_DROPPED, NA_DIRECTION_TX),
            (62, 7, ARP_RULE_DROPPED, NA_DIRECTION_RX), (3, 7, nil, NA_DIRECTION_RX), (255, 7, nil, NA_DIRECTION_RX),
            (.max, 7, nil, NA_DIRECTION_RX),
        ] as [(UInt32, UInt32, arp_rule?, na_direction)])
    func `a drop is told where its reason names a filter or a queue`(
        reason: UInt32, receivedOn: UInt32, rule: arp_rule?, direction: na_direction
    ) throws {
        var frame = sight { _ in }
        frame.way = UInt8(ARP_SIGHT_DROPPED.rawValue)
        (frame.at.probe, frame.location) = (ARP_PROBE_KFREE_SKB.rawValue, 0xffff_ffff_8100_0000)
        (frame.drop_reason, frame.received_on) = (reason, receivedOn)
        let entries = try judged(frame)
        #expect(entries.map(\.rule) == (rule.map { [$0] } ?? []))
        guard let event = entries.first?.event else { return }
        #expect(event.head.direction == direction.rawValue && event.head.drop_reason == reason)
        #expect(event.head.location == 0xffff_ffff_8100_0000 && event.operation == 1)
    }

    @Test(
        arguments: [
            ("arp-request-sent", nil), ("arp-request-received", nil), ("arp-reply-received", nil),
            ("arp-claim-of-a-process", ARP_RULE_LOCAL_SPOOF), ("arp-tag-in-the-frame", nil),
            ("arp-short", ARP_RULE_MALFORMED), ("arp-on-a-bridge-port", nil), ("arp-sent-by-a-bridge", nil),
            ("arp-dropped-on-arrival", ARP_RULE_DROPPED), ("arp-dropped-when-sent", ARP_RULE_DROPPED),
            ("arp-neighbour-changed", ARP_RULE_BINDING_CHANGE), ("arp-permanent-neighbour", ARP_RULE_STATIC_OVERWRITE),
            ("arp-odd-command", ARP_RULE_BINDING_CHANGE), ("arp-no-answer", ARP_RULE_RESOLUTION_FAILED),
            ("arp-table-full", ARP_RULE_TABLE_OVERFLOW),
        ] as [(String, arp_rule?)])
    func `what was really seen is judged`(name: String, rule: arp_rule?) throws {
        let judge = try hostJudge(of: arp)
        let sight = try sampleArpSight(name)
        judge.forgetAsked(now: SightReader.boottimeNanoseconds(of: try sampleLine(name)))
        #expect(judge.entries(sight).map(\.rule) == (rule.map { [$0] } ?? []))
    }
}
