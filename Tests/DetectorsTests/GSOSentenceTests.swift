import AnomalyModel
import CDetectorEvents
import Detectors
import Testing

/// What the tun-gso detector says of each rule and sub-case, word for word.
@Suite struct GSOSentenceTests {
    /// One sub-case, and the event or key it is told of.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let rule: gso_rule
        let detail: gso_detail
        let change: @Sendable (inout gso_event) -> Void

        init(
            _ sentence: String, _ rule: gso_rule, _ detail: gso_detail = GSO_DETAIL_NONE,
            _ change: @escaping @Sendable (inout gso_event) -> Void = { _ in }
        ) {
            (testDescription, self.rule, self.detail, self.change) = (sentence, rule, detail, change)
        }
    }

    private static let packet = "Packet from the owner of tap0 has "
    private static let transmit = NA_DIRECTION_TX.rawValue

    private static let eventCases: [Case] = [
        Case(packet + "gso_size 1448 but no gso_type", GSO_RULE_SIZE_WITHOUT_TYPE) { $0.gso_type = 0 },
        Case("Packet towards tap0 has gso_size 1448 but no gso_type", GSO_RULE_SIZE_WITHOUT_TYPE) {
            $0.head.direction = transmit
        },
        Case("Packet from the owner of a TUN/TAP has gso_size 1448 but no gso_type", GSO_RULE_SIZE_WITHOUT_TYPE) {
            fill(&$0.head.ifname, [])
        },
        Case(packet + "gso_type tcpv4|dodgy but gso_size 0", GSO_RULE_TYPE_WITHOUT_SIZE) { $0.gso_size = 0 },
        Case(
            packet + "the tunnel gso_type udp_tunnel but is not encapsulated", GSO_RULE_TUNNEL_WITHOUT_ENCAPSULATION,
            GSO_DETAIL_NOT_ENCAPSULATED
        ) { $0.gso_type = GSO_UDP_TUNNEL.rawValue },
        Case(
            packet + "the tunnel gso_type gre_csum but no inner headers behind the outer ones",
            GSO_RULE_TUNNEL_WITHOUT_ENCAPSULATION, GSO_DETAIL_INNER_IS_OUTER
        ) { $0.gso_type = GSO_GRE_CSUM.rawValue },
        Case(packet + "gso_type tcpv4|dodgy but is IPv6", GSO_RULE_IP_MISMATCH, GSO_DETAIL_TCPV4_ON_OTHER) {
            $0.ip_version = 6
        },
        Case(packet + "gso_type tcpv6 but is IPv4", GSO_RULE_IP_MISMATCH, GSO_DETAIL_TCPV6_ON_OTHER) {
            $0.gso_type = GSO_TCPV6.rawValue
        },
        Case(
            packet + "gso_type tcpv4|dodgy but is neither IPv4 nor IPv6", GSO_RULE_IP_MISMATCH,
            GSO_DETAIL_TCPV4_ON_OTHER
        ) { $0.ip_version = 0 },
        Case(packet + "gso_type tcpv4|dodgy but carries udp", GSO_RULE_L4_MISMATCH, GSO_DETAIL_TCP_ON_OTHER) {
            $0.l4_protocol = 17
        },
        Case(packet + "gso_type udp_l4 but carries 99", GSO_RULE_L4_MISMATCH, GSO_DETAIL_UDP_ON_OTHER) {
            ($0.gso_type, $0.l4_protocol) = (GSO_UDP_L4.rawValue, 99)
        },
        Case(packet + "gso_type sctp but carries tcp", GSO_RULE_L4_MISMATCH, GSO_DETAIL_SCTP_ON_OTHER) {
            $0.gso_type = GSO_SCTP.rawValue
        },
        Case(
            packet + "gso_type tcpv4|dodgy and gso_size 47: its 4210 bytes become about 90 packets",
            GSO_RULE_TINY_SIZE, GSO_DETAIL_TINY
        ) { $0.gso_size = 47 },
        Case(
            packet + "gso_type tcpv4|dodgy and gso_size 5: its 4210 bytes become about 842 packets",
            GSO_RULE_TINY_SIZE, GSO_DETAIL_MINUTE
        ) { $0.gso_size = 5 },
        Case(
            packet + "gso_type tcpv4|dodgy and gso_size 7: its 4294967295 bytes become about 613566757 packets",
            GSO_RULE_TINY_SIZE, GSO_DETAIL_MINUTE
        ) { ($0.gso_size, $0.length) = (7, .max) },
        Case(
            "The kernel refused a packet from the owner of tap0: its virtio-net header is invalid",
            GSO_RULE_HEADER_REJECTED
        ) { $0.has_gso = 0 },
        Case(
            packet + "gso_type tcpv4 and gso_size 65535, the mark for a list of fragments, which only SCTP has",
            GSO_RULE_BY_FRAGS
        ) { ($0.gso_type, $0.gso_size) = (GSO_TCPV4.rawValue, 65535) },
        Case(packet + "gso_type tcpv4|dodgy, which the device says it cannot take", GSO_RULE_UNSUPPORTED_TYPE),
        Case(
            "The owner of tap0 could not read a packet with gso_type none and gso_size 1448: no virtio-net header can "
                + "say that", GSO_RULE_READ_FAILED, GSO_DETAIL_READ_TYPE
        ) { $0.gso_type = 0 },
        Case(
            "The owner of tap0 could not read a packet with gso_type tcpv4|dodgy and gso_size 1448: it left no room "
                + "for it", GSO_RULE_READ_FAILED, GSO_DETAIL_READ_READER),
        Case(packet + "gso_type tcpv4|tcpv6, of more than one protocol", GSO_RULE_MIXED_TYPES) {
            $0.gso_type = types(GSO_TCPV4, GSO_TCPV6)
        },
        Case(packet + "gso_type tcp_ecn|udp: ECN is TCP's, and it is not of TCP", GSO_RULE_ECN_WITHOUT_TCP) {
            $0.gso_type = types(GSO_TCP_ECN, GSO_UDP)
        },
        Case(
            packet + "a checksum that does not start at its transport header: byte -4 of the IP packet, not 20",
            GSO_RULE_CHECKSUM_START, GSO_DETAIL_CHECKSUM_START
        ) { ($0.found, $0.expected) = (UInt32(bitPattern: -4), 20) },
        Case(
            packet + "its checksum at another place than its protocol: byte 6 of the transport header, not 16",
            GSO_RULE_CHECKSUM_START, GSO_DETAIL_CHECKSUM_FIELD
        ) { ($0.found, $0.expected) = (6, 16) },
        Case(packet + "4200 bytes, but 100 by its IP header", GSO_RULE_LENGTH_MISMATCH) {
            ($0.found, $0.expected) = (100, 4200)
        },
        Case(
            packet + "gso_type tcpv4|dodgy and gso_size 1448, but no more data than that: 0 bytes",
            GSO_RULE_SIZE_EXCEEDS_PAYLOAD
        ) { ($0.found, $0.expected) = (1448, 0) },
        Case(
            packet + "a gso_segs that its data and gso_size do not make: 3, not 2", GSO_RULE_SEGS_MISMATCH,
            GSO_DETAIL_SEGS_COUNT
        ) { ($0.found, $0.expected) = (3, 2) },
        Case(
            packet + "gso_type udp_l4 and gso_size 1448, which makes 129 segments, more than 128",
            GSO_RULE_SEGS_MISMATCH, GSO_DETAIL_SEGS_TOO_MANY
        ) { ($0.gso_type, $0.found, $0.expected) = (GSO_UDP_L4.rawValue, 129, 128) },
        Case(
            "Packet towards tap0 becomes segments of 1540 bytes, more than the device's MTU of 1500",
            GSO_RULE_SIZE_EXCEEDS_MTU, GSO_DETAIL_MTU_SENT
        ) { ($0.head.direction, $0.found, $0.expected) = (transmit, 1540, 1500) },
        Case(
            "Packet from the owner of tap0 becomes segments of 1540 bytes, more than the device's MTU of 1500",
            GSO_RULE_SIZE_EXCEEDS_MTU, GSO_DETAIL_MTU_RECEIVED
        ) { ($0.found, $0.expected) = (1540, 1500) },
        Case(
            packet + "gso_type dodgy|udp: its UDP datagram is to be fragmented, which Linux only emulates",
            GSO_RULE_UFO
        ) { $0.gso_type = types(GSO_DODGY, GSO_UDP) },
        Case(
            packet + "gso_type tcpv4|dodgy and gso_size 1448, and a checksum that is not left to the kernel",
            GSO_RULE_WITHOUT_CHECKSUM),
        Case(
            packet + "gso_type tcpv4|dodgy, and its IP header is not in its linear area, which has 15 bytes",
            GSO_RULE_SHORT_HEADER
        ) { $0.linear_length = 15 },
        Case(
            "GSO packet from the owner of tap0: gso_type tcpv4|dodgy and gso_size 1448, gso_segs 3, 4210 bytes, "
                + "192.0.2.1 port 40000 to 192.0.2.9 port 443", GSO_RULE_TRACE),
        Case(
            "GSO packet towards tap0: gso_type none and gso_size 1448, 4210 bytes", GSO_RULE_TRACE
        ) { ($0.head.direction, $0.gso_type, $0.gso_segs, $0.has_addresses) = (transmit, 0, 0, 0) },
        Case(
            "The kernel dropped a packet towards tap0: it has gso_type tcpv4|dodgy and gso_size 1448 and could not be "
                + "segmented", GSO_RULE_SEGMENTATION_REFUSED
        ) { $0.head.direction = transmit },
        Case(
            "The kernel dropped a packet towards tap0: it has gso_type none and gso_size 1448 and could not be "
                + "segmented", GSO_RULE_SEGMENTATION_REFUSED
        ) { ($0.head.direction, $0.gso_type) = (transmit, 0) },
    ]

    @Test(arguments: eventCases) func anEventIsToldInOneSentence(_ line: Case) throws {
        var event = sampleGSOEvent(line.rule, detail: line.detail)
        line.change(&event)
        #expect(try decode(event, as: tunGSO).message == line.testDescription)
    }

    @Test func everySubCaseHasASentence() throws {
        let details = Set(Self.eventCases.map(\.detail.rawValue))
        let header = try repositoryFile("Sources/Detectors/bpf/include/tun_gso_event.h")
        let known = header.matches(of: /GSO_DETAIL_[A-Z0-9_]+ = ([0-9]+)/).compactMap { UInt32($0.1) }
        #expect(details == Set(known))
    }

    /// The key's words as `tun_gso.bpf.c` fills them: version, device kind and type, then the addresses.
    private func key(_ rule: gso_rule, _ detail: gso_detail = GSO_DETAIL_NONE, version: UInt64 = 4) -> na_event_head {
        var head = sampleHead(rule: rule.rawValue, detail: detail.rawValue, kind: NA_KIND_SUMMARY)
        fill(&head.ifname, "tap0".utf8)
        head.key.a = version << 56 | UInt64(GSO_DEVICE_TUN.rawValue) << 48 | UInt64(GSO_TCPV4.rawValue)
        (head.key.b, head.key.c) = (0xc000_0201, 0xc000_0209)
        return head
    }

    @Test(arguments: [
        Case("Packet on tap0 has gso_size but no gso_type", GSO_RULE_SIZE_WITHOUT_TYPE),
        Case("Packet on tap0 has gso_type tcpv4 but gso_size 0", GSO_RULE_TYPE_WITHOUT_SIZE),
        Case(
            "Packet on tap0 has the tunnel gso_type tcpv4 but is not encapsulated",
            GSO_RULE_TUNNEL_WITHOUT_ENCAPSULATION, GSO_DETAIL_NOT_ENCAPSULATED),
        Case("Packet on tap0 has gso_type tcpv4 but is IPv4", GSO_RULE_IP_MISMATCH, GSO_DETAIL_TCPV4_ON_OTHER),
        Case(
            "Packet on tap0 has gso_type tcpv4 but carries another protocol", GSO_RULE_L4_MISMATCH,
            GSO_DETAIL_TCP_ON_OTHER),
        Case("Packet on tap0 has gso_type tcpv4: it becomes many packets", GSO_RULE_TINY_SIZE, GSO_DETAIL_TINY),
        Case("The kernel refused a packet on tap0: its virtio-net header is invalid", GSO_RULE_HEADER_REJECTED),
        Case("Packet on tap0 has gso_type tcpv4, which the device says it cannot take", GSO_RULE_UNSUPPORTED_TYPE),
        Case(
            "The owner of tap0 could not read a packet with gso_type tcpv4: it left no room for it",
            GSO_RULE_READ_FAILED, GSO_DETAIL_READ_READER),
        Case(
            "Packet on tap0 has a checksum that does not start at its transport header", GSO_RULE_CHECKSUM_START,
            GSO_DETAIL_CHECKSUM_START),
        Case(
            "Packet on tap0 has its checksum at another place than its protocol", GSO_RULE_CHECKSUM_START,
            GSO_DETAIL_CHECKSUM_FIELD),
        Case("Packet on tap0 has another length than by its IP header", GSO_RULE_LENGTH_MISMATCH),
        Case("Packet on tap0 has gso_type tcpv4, but no more data than that", GSO_RULE_SIZE_EXCEEDS_PAYLOAD),
        Case(
            "Packet on tap0 has a gso_segs that its data and gso_size do not make", GSO_RULE_SEGS_MISMATCH,
            GSO_DETAIL_SEGS_COUNT),
        Case(
            "Packet on tap0 has gso_type tcpv4, which makes too many segments", GSO_RULE_SEGS_MISMATCH,
            GSO_DETAIL_SEGS_TOO_MANY),
        Case(
            "Packet on tap0 becomes segments longer than the device's MTU", GSO_RULE_SIZE_EXCEEDS_MTU,
            GSO_DETAIL_MTU_SENT),
        Case(
            "Packet on tap0 has gso_type tcpv4, and its IP header is not in its linear area", GSO_RULE_SHORT_HEADER),
        Case("GSO packet on tap0", GSO_RULE_TRACE),
        Case(
            "The kernel dropped a packet on tap0: it has gso_type tcpv4 and could not be segmented",
            GSO_RULE_SEGMENTATION_REFUSED),
    ])
    func aSummaryIsToldFromItsKey(_ line: Case) throws {
        #expect(try decode(key(line.rule, line.detail), as: tunGSO).message == line.testDescription)
    }

    @Test func aSummaryHasTheKeysFields() throws {
        let ipv4 = try decode(key(GSO_RULE_TINY_SIZE), as: tunGSO)
        #expect(
            ipv4.fieldLines == [
                "GSO_TYPE=0x1", "GSO_TYPE_NAMES=tcpv4", "DEV_KIND=tun", "L3_SRC=192.0.2.1", "L3_DST=192.0.2.9",
            ])
        // Of an IPv6 address the key has but a hash.
        let ipv6 = try decode(key(GSO_RULE_TINY_SIZE, version: 6), as: tunGSO)
        #expect(ipv6.fieldLines == ["GSO_TYPE=0x1", "GSO_TYPE_NAMES=tcpv4", "DEV_KIND=tun"])
        let rejected = try decode(key(GSO_RULE_HEADER_REJECTED, version: 0), as: tunGSO)
        #expect(rejected.fieldLines == ["DEV_KIND=tun"])
    }

    @Test func aPacketsFieldsAreItsMetadataAndFlow() throws {
        let event = sampleGSOEvent(GSO_RULE_L4_MISMATCH)
        #expect(
            try decode(event, as: tunGSO).fieldLines == [
                "GSO_TYPE=0x3", "GSO_TYPE_NAMES=tcpv4|dodgy", "GSO_SIZE=1448", "GSO_SEGS=3", "LEN=4210",
                "DEV_KIND=tun", "TUN_FLAGS=tap|no_pi|vnet_hdr", "L3_SRC=192.0.2.1", "L3_DST=192.0.2.9", "L4_PROTO=tcp",
                "L4_SPORT=40000", "L4_DPORT=443", "ENCAPSULATION=0", "IP_SUMMED=partial", "HEADERS=0266ff",
            ])
    }

    @Test func aRefusedHeaderHasNoMetadataToShow() throws {
        var event = sampleGSOEvent(GSO_RULE_HEADER_REJECTED)
        (event.has_gso, event.has_ports, event.ip_version, event.headers_length) = (0, 0, 0, 0)
        (event.l4_protocol, event.tun_flags) = (UInt8(GSO_L4_UNKNOWN), 0)
        #expect(try decode(event, as: tunGSO).fieldLines == ["LEN=4210", "DEV_KIND=tun"])
    }

    @Test func addressesThatCouldNotBeReadAreNotShown() throws {
        var event = sampleGSOEvent(GSO_RULE_SHORT_HEADER)
        (event.has_addresses, event.has_ports, event.l4_protocol) = (0, 0, UInt8(GSO_L4_UNKNOWN))
        fill(&event.source, [])
        let ofEvent = try decode(event, as: tunGSO).fieldLines
        var summary = key(GSO_RULE_SHORT_HEADER)
        (summary.key.b, summary.key.c) = (0, 0)
        let ofSummary = try decode(summary, as: tunGSO).fieldLines
        #expect(!(ofEvent + ofSummary).contains { $0.hasPrefix("L3_") || $0.hasPrefix("L4_") })
    }

    @Test func addressesOfIPv6AreWrittenInFull() throws {
        var event = sampleGSOEvent(GSO_RULE_IP_MISMATCH, detail: GSO_DETAIL_TCPV4_ON_OTHER)
        event.ip_version = 6
        fill(&event.source, [0x20, 1, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [1])
        let lines = try decode(event, as: tunGSO).fieldLines
        #expect(lines.contains("L3_SRC=2001:db8::1"))
    }

    @Test func moreHeaderBytesThanThereAreAreNotRead() throws {
        var event = sampleGSOEvent(GSO_RULE_TINY_SIZE, detail: GSO_DETAIL_TINY)
        event.headers_length = .max
        let headers = try decode(event, as: tunGSO).fields.first { $0.name == FieldName.headers.rawValue }
        #expect(headers?.value.count == 2 * Int(NA_HEADER_MAX))
    }

    @Test func unknownNumbersAreShownOrAbsentNeverGuessed() throws {
        var event = sampleGSOEvent(GSO_RULE_TYPE_WITHOUT_SIZE)
        (event.gso_type, event.device_kind, event.ip_summed) = (1 << 29 | GSO_UDP_L4.rawValue, 9, 4)
        let lines = try decode(event, as: tunGSO).fieldLines
        #expect(lines.contains("GSO_TYPE_NAMES=udp_l4|0x20000000"))
        #expect(!lines.contains { $0.hasPrefix("DEV_KIND=") || $0.hasPrefix("IP_SUMMED=") })
    }

    @Test func someSubCasesAreMoreOrLessUrgentThanTheirRule() throws {
        let others: [gso_detail: Priority] = [
            GSO_DETAIL_MINUTE: .error, GSO_DETAIL_READ_READER: .warning, GSO_DETAIL_MTU_RECEIVED: .info,
        ]
        for line in Self.eventCases {
            let expected = others[line.detail] ?? tunGSO.rules[Int(line.rule.rawValue)].priority
            let event = sampleGSOEvent(line.rule, detail: line.detail)
            #expect(try decode(event, as: tunGSO).priority == expected, "\(line.testDescription)")
            let summary = try decode(key(line.rule, line.detail), as: tunGSO)
            #expect(summary.priority == expected, "\(line.testDescription)")
        }
    }

    @Test func everySubCaseHasAWordOfItsOwnInItsRule() throws {
        for line in Self.eventCases where line.detail != GSO_DETAIL_NONE {
            let fields = try decode(sampleGSOEvent(line.rule, detail: line.detail), as: tunGSO).fields
            #expect(fields.first { $0.name == FieldName.detail.rawValue } != nil, "\(line.testDescription)")
        }
    }
}
