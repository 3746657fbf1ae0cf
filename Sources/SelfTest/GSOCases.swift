import AnomalyModel

/// How each anomaly of the tun-gso detector is made: one line, or a few, for each.
enum GSOCases {
    private static let faulty = "only a faulty driver or BPF program makes such a packet"

    static let notMade = [
        "gso-size-without-type": faulty,
        "gso-type-without-size": faulty,
        "gso-unsupported-type": faulty,
        "gso-mixed-types": faulty,
        "gso-segs-mismatch": faulty,
        "gso-size-exceeds-payload": faulty,
        "gso-by-frags": faulty,
        "gso-tunnel-without-encapsulation": "it cannot be made without harm: kernels have crashed on such packets",
    ]

    static var all: [SelfTestCase] { ofHeaders + ofSizes + ofTheWayOut }

    /// Payload of a packet that is to become three on an ordinary wire.
    private static let longPayload = 3000
    private static let segmentBytes: UInt16 = 1000
    private static let ethernetBytes = 14
    private static let etherTypeIPv4: UInt16 = 0x0800
    private static let etherTypeIPv6: UInt16 = 0x86dd
    /// Where the transport header of a frame begins.
    private static let behindIPv4 = UInt16(ethernetBytes + InternetPacket.ipv4Bytes)
    private static let behindIPv6 = UInt16(ethernetBytes + InternetPacket.ipv6Bytes)
    /// Where a transport header has its checksum.
    private static let checksumInTCP: UInt16 = 16
    private static let checksumInUDP: UInt16 = 6

    private static func packet(
        _ transport: InternetPacket.Transport, payload: Int = longPayload, to destination: IPv4Address
    ) -> InternetPacket {
        InternetPacket(
            transport: transport, payloadBytes: payload, source: TestNetwork.host(60), destination: destination)
    }

    /// A frame that passes this host by: it is for another.
    private static func passing(_ packet: [UInt8], type: UInt16 = etherTypeIPv4) -> [UInt8] {
        ethernetFrame(to: TestNetwork.station(61), from: TestNetwork.station(60), type: type, packet)
    }

    private static func passing(_ transport: InternetPacket.Transport, payload: Int = longPayload) -> [UInt8] {
        passing(packet(transport, payload: payload, to: TestNetwork.host(61)).ipv4)
    }

    /// A frame that this host forwards.
    private static func forwarded(_ transport: InternetPacket.Transport) -> [UInt8] {
        ethernetFrame(
            to: TestNetwork.ownMAC, from: TestNetwork.station(60), type: etherTypeIPv4,
            packet(transport, to: TestNetwork.beyond(61)).ipv4)
    }

    /// The header of a correct request to segment TCP over IPv4, of which one thing is changed.
    private static func tcp(_ change: (inout VirtioHeader) -> Void = { _ in }) -> VirtioHeader {
        var header = VirtioHeader(
            segmentType: VirtioHeader.SegmentType.tcpv4, segmentBytes: segmentBytes,
            headerBytes: behindIPv4 + UInt16(InternetPacket.tcpBytes), checksumStart: behindIPv4,
            checksumOffset: checksumInTCP)
        change(&header)
        return header
    }

    /// The header of a correct request to fragment UDP over IPv4.
    private static func udp(_ change: (inout VirtioHeader) -> Void = { _ in }) -> VirtioHeader {
        tcp {
            $0.segmentType = VirtioHeader.SegmentType.udp
            $0.headerBytes = behindIPv4 + 8
            $0.checksumOffset = checksumInUDP
            change(&$0)
        }
    }

    /// A header whose checksum starts within the payload.
    private static var checksumInPayload: VirtioHeader {
        tcp { ($0.checksumStart, $0.headerBytes) = (1000, 1020) }
    }

    private static var ofHeaders: [SelfTestCase] {
        [
            SelfTestCase("gso-ip-mismatch", "an IPv6 packet with the type for IPv4") { network, _ in
                let frame = passing(packet(.tcp, to: TestNetwork.host(61)).ipv6, type: etherTypeIPv6)
                try network.receive(frame, header: tcp { ($0.checksumStart, $0.headerBytes) = (behindIPv6, 74) })
            },
            SelfTestCase("gso-l4-mismatch", "a UDP packet with the type for TCP") { network, _ in
                try network.receive(passing(.udp), header: tcp())
            },
            SelfTestCase("gso-ufo", "a UDP packet to be fragmented") { network, _ in
                try network.receive(passing(.udp), header: udp())
            },
            SelfTestCase("gso-ecn-without-tcp", "a UDP packet with TCP's ECN bit") { network, _ in
                try network.receive(passing(.udp), header: udp { $0.segmentType |= VirtioHeader.SegmentType.ecn })
            },
            SelfTestCase("gso-checksum-start", "a checksum that starts in the payload") { network, _ in
                try network.receive(passing(.tcp), header: checksumInPayload)
            },
            SelfTestCase("gso-without-checksum", "segmentation without checksum offload") { network, _ in
                try network.receive(passing(.tcp), header: tcp { ($0.checksumStart, $0.checksumOffset) = (nil, 0) })
            },
            // The kernel gathers what the type needs: less than an IPv6 header. Below a page nothing is scattered.
            SelfTestCase("gso-short-header", "an IPv6 packet with its header in pieces") { network, _ in
                let frame = passing(packet(.tcp, payload: 8000, to: TestNetwork.host(61)).ipv6, type: etherTypeIPv6)
                try network.receive(
                    frame,
                    header: tcp {
                        ($0.checksumStart, $0.checksumOffset, $0.headerBytes) = (nil, 0, UInt16(ethernetBytes))
                    })
            },
            SelfTestCase("gso-header-rejected", "a type for TCP and no size") { network, _ in
                try network.receiveRefused(passing(.tcp), header: tcp { $0.segmentBytes = 0 })
            },
            SelfTestCase("gso-trace", "any segmentation request") { network, _ in
                try network.receive(passing(.tcp), header: tcp())
            },
        ]
    }

    private static var ofSizes: [SelfTestCase] {
        [
            SelfTestCase("gso-tiny-size", "TCP segments of 7 bytes") { network, _ in
                try network.receive(passing(.tcp, payload: 400), header: tcp { $0.segmentBytes = 7 })
            },
            SelfTestCase("gso-size-exceeds-mtu", "segments longer than the device's MTU") { network, _ in
                try network.receive(passing(.tcp, payload: 8000), header: tcp { $0.segmentBytes = 4000 })
            },
            SelfTestCase("gso-length-mismatch", "an IPv4 header that claims 100 bytes") { network, _ in
                var packet = packet(.tcp, to: TestNetwork.host(61))
                packet.claimedLength = 100
                try network.receive(passing(packet.ipv4), header: tcp())
            },
        ]
    }

    private static var ofTheWayOut: [SelfTestCase] {
        [
            SelfTestCase("gso-segmentation-refused", "a forwarded packet that cannot be cut") { network, _ in
                try network.receive(forwarded(.tcp), header: checksumInPayload)
            },
            SelfTestCase("gso-read-failed", "a reader with too small a buffer") { network, _ in
                try network.receive(forwarded(.tcp), header: tcp())
                try network.readForwarded(room: VirtioHeader.byteCount / 2)
            },
        ]
    }
}
