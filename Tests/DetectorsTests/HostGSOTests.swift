import AnomalyModel
import CDetectorEvents
import Testing

@testable import Detectors

/// Judging GSO metadata in the daemon, at packets that were really seen.
@Suite struct HostGSOTests {
    typealias Case = PredicateCase<gso_sight, Set<gso_rule>>

    private func broken(
        _ name: String, traced: Bool = false, _ change: (inout gso_sight) -> Void = { _ in }
    ) throws -> Set<gso_rule> {
        let judge = try hostJudge(of: tunGSO, memoryEntries: 0)
        if traced { judge.set(rule: Int(GSO_RULE_TRACE.rawValue), isEnabled: true, threshold: 0) }
        var sight = try sampleGSOSight(name)
        change(&sight)
        return judge.broken(sight)
    }

    @Test(
        arguments: [
            ("gso-ordinary", []), ("gso-wrong-version", [GSO_RULE_IP_MISMATCH]), ("gso-tiny", [GSO_RULE_TINY_SIZE]),
            ("gso-on-a-tun", [GSO_RULE_TINY_SIZE]), ("gso-out-of-a-macvtap", [GSO_RULE_IP_MISMATCH]),
            ("gso-in-a-tunnel", []), ("gso-out-of-its-tunnel", [GSO_RULE_TUNNEL_WITHOUT_ENCAPSULATION]),
            ("gso-no-type", [GSO_RULE_SIZE_WITHOUT_TYPE]), ("gso-no-size", [GSO_RULE_TYPE_WITHOUT_SIZE]),
            ("gso-refused", [GSO_RULE_HEADER_REJECTED]), ("gso-refused-on-a-tun", [GSO_RULE_HEADER_REJECTED]),
            ("gso-refused-on-a-macvtap", [GSO_RULE_HEADER_REJECTED]), ("gso-foreign-to-a-tun", []),
            ("gso-cannot-be-cut", [GSO_RULE_SEGMENTATION_REFUSED]), ("gso-dropped-unread", []),
        ] as [(String, Set<gso_rule>)])
    func `what was really seen is judged`(name: String, rules: Set<gso_rule>) throws {
        #expect(try broken(name) == rules)
    }

    /// What would need another packet, at the metadata of one.
    @Test(arguments: [
        Case("no type", [GSO_RULE_SIZE_WITHOUT_TYPE]) { $0.gso_type = GSO_DODGY.rawValue },
        Case("no size", [GSO_RULE_TYPE_WITHOUT_SIZE]) { $0.gso_size = 0 },
        Case("two protocols", [GSO_RULE_MIXED_TYPES, GSO_RULE_IP_MISMATCH]) { $0.gso_type |= GSO_TCPV6.rawValue },
        Case("UDP on TCP", [GSO_RULE_L4_MISMATCH]) {
            $0.gso_type = types(GSO_UDP_L4, GSO_DODGY)
        },
        Case("a tunnel without one", [GSO_RULE_TUNNEL_WITHOUT_ENCAPSULATION]) {
            $0.gso_type |= GSO_UDP_TUNNEL.rawValue
        },
        Case("a size of 47", [GSO_RULE_TINY_SIZE]) { $0.gso_size = 47 },
        Case("a size of 48", []) { $0.gso_size = 48 },
        Case("a size by fragments", [GSO_RULE_BY_FRAGS]) { $0.gso_size = 0xffff },
        Case("a size beyond the device's MTU", [GSO_RULE_SIZE_EXCEEDS_MTU]) { $0.mtu = 1039 },
        Case("a size at the device's MTU", []) { $0.mtu = 1040 },
        Case("a checksum that starts elsewhere", [GSO_RULE_CHECKSUM_START]) { $0.checksum_start += 1 },
        Case("no checksum", [GSO_RULE_WITHOUT_CHECKSUM]) { $0.ip_summed = 0 },
        Case("a wrong number of segments", [GSO_RULE_SEGS_MISMATCH]) { $0.gso_segs = 2 },
        Case("the right one", []) { $0.gso_segs = 3 },
        Case("fewer bytes than the header says", [GSO_RULE_LENGTH_MISMATCH]) { $0.linear_end -= 1 },
        Case("the old UDP fragmentation", [GSO_RULE_UFO, GSO_RULE_MIXED_TYPES, GSO_RULE_L4_MISMATCH]) {
            $0.gso_type |= GSO_UDP.rawValue
        },
    ])
    func `a packet from the owner breaks`(_ line: Case) throws {
        #expect(try broken("gso-ordinary", line.change) == line.verdict)
    }

    @Test func `queued and handed over, only what is wrong there is told`() throws {
        func passing(_ probe: gso_probe, _ change: (inout gso_sight) -> Void) throws -> Set<gso_rule> {
            try broken("gso-ordinary") { sight in
                sight.at.probe = probe.rawValue
                change(&sight)
            }
        }
        #expect(try passing(GSO_PROBE_NET_DEV_QUEUE) { $0.gso_size = 40 } == [GSO_RULE_TINY_SIZE])
        #expect(try passing(GSO_PROBE_NET_DEV_START_XMIT) { $0.gso_size = 40 } == [])
        #expect(try passing(GSO_PROBE_NET_DEV_START_XMIT) { $0.features = 0 } == [GSO_RULE_UNSUPPORTED_TYPE])
        #expect(try passing(GSO_PROBE_NET_DEV_QUEUE) { $0.features = 0 } == [])
        #expect(try passing(GSO_PROBE_NET_DEV_QUEUE) { $0.gso_size = 4000 } == [GSO_RULE_SIZE_EXCEEDS_PAYLOAD])
        // A local socket's acknowledgement has a type, too.
        #expect(try passing(GSO_PROBE_NET_DEV_START_XMIT) { ($0.gso_size, $0.gso_type) = (0, 1) } == [])
        #expect(
            try passing(GSO_PROBE_NET_DEV_START_XMIT) { ($0.gso_size, $0.gso_type) = (0, 3) }
                == [GSO_RULE_TYPE_WITHOUT_SIZE])
        #expect(try passing(GSO_PROBE_NET_DEV_QUEUE) { ($0.gso_size, $0.gso_type) = (0, 3) } == [])
    }

    // MARK: Headers

    @Test func `headers that the script did not take are not judged`() throws {
        // An IPv4 packet behind 120 bytes of options of the link: the first byte of its header is the last that is known.
        func far(_ at: UInt16) -> (inout gso_sight) -> Void {
            { ($0.device_type, $0.network_header, $0.linear_end) = (65534, UInt16($0.bytes_at) + at, 3200) }
        }
        #expect(try broken("gso-wrong-version").contains(GSO_RULE_IP_MISMATCH))
        #expect(try broken("gso-wrong-version", far(109)).isEmpty)
        #expect(try broken("gso-wrong-version", far(1000)).isEmpty)
    }

    @Test func `headers that are not linear are those that are too short`() throws {
        #expect(
            try broken("gso-ordinary") { ($0.data_length, $0.linear_end) = (3000, 118) } == [])
        let short = try broken("gso-ordinary") { ($0.data_length, $0.linear_end) = (3028, 90) }
        #expect(short == [GSO_RULE_SHORT_HEADER])
    }

    @Test func `a tag in the frame is passed over`() throws {
        let sight = try broken("gso-ordinary") { sight in
            let frame = withUnsafeBytes(of: sight.bytes) { Array($0) }
            fill(&sight.bytes, frame[..<12] + [0x81, 0, 0, 12] + frame[12..<124])
            (sight.protocol, sight.linear_end) = (0x8100, sight.linear_end + 4)
            (sight.network_header, sight.transport_header) = (sight.network_header + 4, sight.transport_header + 4)
            sight.checksum_start += 4
        }
        #expect(sight.isEmpty)
    }

    // MARK: Drops

    @Test(arguments: [
        Case("for no reason that is told", [GSO_RULE_HEADER_REJECTED]) { _ in },
        Case("for its header", [GSO_RULE_HEADER_REJECTED]) { $0.drop_reason = 78 },
        Case("for another reason", []) { $0.drop_reason = 5 },
        Case("where headers are not in use", []) { $0.tun_flags = 0x1002 },
        Case("where the device's flags are not known", []) { $0.tun_flags = 0 },
    ])
    func `a packet that was refused`(_ line: Case) throws {
        #expect(try broken("gso-refused", line.change) == line.verdict)
    }

    @Test func `a kernel without reasons refuses for none`() throws {
        let judge = try hostJudge(of: tunGSO, memoryEntries: 0)
        var reasons = sampleReasons()
        (reasons.not_specified, reasons.device_header) = (.max, .max)
        judge.set(reasons)
        var sight = try sampleGSOSight("gso-refused")
        sight.drop_reason = 5
        #expect(judge.broken(sight) == [GSO_RULE_HEADER_REJECTED])
    }

    @Test(arguments: [
        Case("where it should be cut", [GSO_RULE_SEGMENTATION_REFUSED]) { _ in },
        Case("where it should be read", [GSO_RULE_READ_FAILED]) { $0.drop_site = UInt8(GSO_DROP_READ.rawValue) },
        Case("elsewhere", []) { $0.drop_site = UInt8(GSO_DROP_OTHER.rawValue) },
        Case("elsewhere, for its metadata", [GSO_RULE_SEGMENTATION_REFUSED]) {
            ($0.drop_site, $0.drop_reason) = (UInt8(GSO_DROP_OTHER.rawValue), 200)
        },
        Case("without a size", []) { $0.gso_size = 0 },
        Case("on another device, from an owner", [GSO_RULE_SEGMENTATION_REFUSED]) { $0.device_kind = 0 },
        Case("on another device, a local packet", []) { ($0.device_kind, $0.gso_type) = (0, 1) },
    ])
    func `a packet that was dropped`(_ line: Case) throws {
        #expect(try broken("gso-cannot-be-cut", line.change) == line.verdict)
    }

    // MARK: Configuration

    @Test func `the trace tells every GSO packet that passes, besides what it breaks`() throws {
        #expect(try broken("gso-ordinary", traced: true) == [GSO_RULE_TRACE])
        #expect(try broken("gso-tiny", traced: true) == [GSO_RULE_TRACE, GSO_RULE_TINY_SIZE])
        #expect(try broken("gso-no-size", traced: true) == [GSO_RULE_TYPE_WITHOUT_SIZE], "it is no GSO packet")
        #expect(try broken("gso-cannot-be-cut", traced: true) == [GSO_RULE_SEGMENTATION_REFUSED])
    }

    @Test func `the smallest size is the administrator's, a rule that is off breaks nothing`() throws {
        let judge = try hostJudge(of: tunGSO, memoryEntries: 0)
        let sight = try sampleGSOSight("gso-on-a-tun")
        #expect(sight.gso_size == 40 && judge.broken(sight) == [GSO_RULE_TINY_SIZE])
        judge.set(rule: Int(GSO_RULE_TINY_SIZE.rawValue), isEnabled: true, threshold: 40)
        #expect(judge.broken(sight).isEmpty)
        judge.set(rule: Int(GSO_RULE_TINY_SIZE.rawValue), isEnabled: false, threshold: 48)
        #expect(judge.broken(sight).isEmpty)
    }

    @Test func `an event tells all that was seen`() throws {
        let judge = try hostJudge(of: tunGSO, memoryEntries: 0)
        let told = try told(try scripted(tunGSO), try sampleLine("gso-wrong-version"), by: judge)
        let anomaly = try #require(told.first?.anomaly)
        #expect(told.count == 1 && anomaly.rule.name == RuleName("gso-ip-mismatch"))
        #expect(anomaly.probe == "tracepoint:net:netif_receive_skb_entry" && anomaly.backend == "bpftrace")
        #expect(anomaly.interfaceName == "t0" && anomaly.direction == .receive && anomaly.pid == 0x48ba)
        #expect(anomaly.frames.contains { $0.hasPrefix("tun_get_user+") } && anomaly.dropReason == nil)
        let lines = anomaly.fieldLines
        #expect(lines.contains("GSO_TYPE=0x3") && lines.contains("GSO_SIZE=1000") && lines.contains("DEV_KIND=tun"))
        #expect(lines.contains("L3_SRC=2001:db8::1") && lines.contains("L4_DPORT=443"))
        #expect(lines.contains { $0.hasPrefix("HEADERS=026600000002026600000001" + "86dd60") })
        #expect(told.first?.identity?.key == anomaly.key)
    }

    @Test func `a refused packet tells who refused it, and no metadata that it has not`() throws {
        let judge = try hostJudge(of: tunGSO, memoryEntries: 0)
        let told = try told(try scripted(tunGSO), try sampleLine("gso-refused"), by: judge)
        let anomaly = try #require(told.first?.anomaly)
        #expect(anomaly.dropLocation == 0xffff_ffff_81db_43c9 && anomaly.dropReason == 2)
        #expect(anomaly.direction == .receive && anomaly.interfaceName == "t0")
        #expect(!anomaly.fieldLines.contains { $0.hasPrefix("GSO_") })
    }
}
