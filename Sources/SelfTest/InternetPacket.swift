import AnomalyModel

/// TCP and UDP packets far longer than a wire takes, as the owner of a TAP hands them over to be segmented.
///
/// Their transport checksums are left to the device: the field holds the pseudo-header's sum.
struct InternetPacket {
    enum Transport: UInt8 {
        case tcp = 6
        case udp = 17
    }

    /// Bytes of the header before the transport's, and of the transport's own.
    static let ipv4Bytes = 20
    static let ipv6Bytes = 40
    static let tcpBytes = 20

    var transport: Transport
    var payloadBytes: Int
    var source: IPv4Address
    var destination: IPv4Address
    /// What the IPv4 header claims; nil for the truth.
    var claimedLength: UInt16?

    private static let sourcePort: UInt16 = 49152
    private static let destinationPort: UInt16 = 9
    private static let hops: UInt8 = 64

    /// The packet over IPv4.
    var ipv4: [UInt8] {
        let segment = segment(pseudoHeader: words(source) + words(destination))
        var header = WireBytes()
        header.add16(0x4500)
        header.add16(claimedLength ?? UInt16(Self.ipv4Bytes + segment.count))
        header.add32(0)
        header.add8(Self.hops)
        header.add8(transport.rawValue)
        let checksum = internetChecksum(header.bytes + [0, 0] + words(source) + words(destination))
        header.add16(checksum)
        header.add(source)
        header.add(destination)
        return header.bytes + segment
    }

    /// The same over IPv6: its addresses are 2001:db8:: with the IPv4 ones at the end.
    var ipv6: [UInt8] {
        let addresses = documentation(source) + documentation(destination)
        let segment = segment(pseudoHeader: addresses)
        var header = WireBytes()
        header.add32(0x6000_0000)
        header.add16(UInt16(segment.count))
        header.add8(transport.rawValue)
        header.add8(Self.hops)
        header.add(addresses)
        return header.bytes + segment
    }

    private func segment(pseudoHeader addresses: [UInt8]) -> [UInt8] {
        let length = (transport == .tcp ? Self.tcpBytes : 8) + payloadBytes
        var pseudo = WireBytes()
        pseudo.add(addresses)
        pseudo.add32(UInt32(length))
        pseudo.add32(UInt32(transport.rawValue))
        let sum = ~internetChecksum(pseudo.bytes)
        var segment = WireBytes()
        segment.add16(Self.sourcePort)
        segment.add16(Self.destinationPort)
        switch transport {
        case .tcp:
            segment.add32(1)
            segment.add32(1)
            segment.add16(0x5010)  // five words, ACK
            segment.add16(.max)
            segment.add16(sum)
            segment.add16(0)
        case .udp:
            segment.add16(UInt16(length))
            segment.add16(sum)
        }
        segment.add([UInt8](repeating: 0, count: payloadBytes))
        return segment.bytes
    }

    private func words(_ address: IPv4Address) -> [UInt8] {
        var bytes = WireBytes()
        bytes.add(address)
        return bytes.bytes
    }

    private func documentation(_ address: IPv4Address) -> [UInt8] {
        [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 8) + words(address)
    }
}
