import AnomalyModel
import Testing

@testable import SelfTest

@Suite struct FrameTests {
    private let sender = MACAddress(bits: 0x0266_0000_0001)
    private let target = MACAddress(bits: 0x0266_0000_0002)
    private let senderIP = IPv4Address(bits: 0xc000_0201)
    private let targetIP = IPv4Address(bits: 0xc000_0202)

    private func hex(_ bytes: some Sequence<UInt8>) -> String { bytes.map(hexByte).joined() }

    @Test func `a request is broadcast with its sender as source`() {
        let frame = ArpFrame.request(by: sender, senderIP, for: targetIP).bytes
        let ethernet = "ffffffffffff" + "026600000001" + "0806"
        let arp = "0001" + "0800" + "06" + "04" + "0001" + "026600000001" + "c0000201" + "000000000000" + "c0000202"
        #expect(hex(frame) == ethernet + arp)
    }

    @Test func `a reply goes to whom it is meant for`() {
        let frame = ArpFrame.reply(by: sender, senderIP, to: target, targetIP).bytes
        #expect(hex(frame.prefix(14)) == "026600000002" + "026600000001" + "0806")
        #expect(hex(frame.suffix(22)) == "0002" + "026600000001" + "c0000201" + "026600000002" + "c0000202")
    }

    @Test func `an announcement asks for its own address`() {
        let frame = ArpFrame.announcement(by: sender, of: senderIP)
        #expect(frame.senderIP == frame.targetIP && frame.operation == ArpFrame.Operation.request)
        #expect(frame.destination == ArpFrame.broadcast && frame.targetMAC == ArpFrame.noMAC)
    }

    @Test func `one thing is changed and the rest stays`() {
        let request = ArpFrame.request(by: sender, senderIP, for: targetIP)
        let odd = request.with { $0.source = target }.bytes
        #expect(hex(odd[6..<12]) == "026600000002")
        #expect(odd[..<6] == request.bytes[..<6] && odd[12...] == request.bytes[12...])
    }

    /// The example of RFC 1071, section 3, and the odd byte that it speaks of.
    @Test(
        arguments: [
            ([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7], ~0xddf2), ([0x12], ~0x1200), ([], 0xffff),
            ([0xff, 0xff, 0x00, 0x01], ~0x0001),
        ] as [([UInt8], UInt16)])
    func `the Internet checksum is that of RFC 1071`(bytes: [UInt8], checksum: UInt16) {
        #expect(internetChecksum(bytes) == checksum)
    }

    @Test(arguments: [
        (InternetPacket.Transport.tcp, 20 + 20 + 5, 16, "06"), (InternetPacket.Transport.udp, 20 + 8 + 5, 6, "11"),
    ])
    func `a packet over IPv4 is as long as it says and its sums are right`(
        transport: InternetPacket.Transport, length: Int, checksumAt: Int, number: String
    ) {
        let packet = InternetPacket(transport: transport, payloadBytes: 5, source: senderIP, destination: targetIP)
        let bytes = packet.ipv4
        #expect(bytes.count == length && hex(bytes[2..<4]) == hex([0, UInt8(length)]))
        #expect(internetChecksum(Array(bytes[..<20])) == 0)
        #expect(hex(bytes[9..<10]) == number && hex(bytes[12..<20]) == "c0000201c0000202")
        // With the device's part, the sum over the segment, in it, the whole is right.
        var segment = Array(bytes[20...])
        let rest = internetChecksum(segment)
        (segment[checksumAt], segment[checksumAt + 1]) = (UInt8(rest >> 8), UInt8(rest & 255))
        let pseudo = Array(bytes[12..<20]) + [0, packet.transport.rawValue, 0, UInt8(length - 20)]
        #expect(internetChecksum(pseudo + segment) == 0)
    }

    @Test func `a packet over IPv6 carries the same segment`() {
        let packet = InternetPacket(transport: .tcp, payloadBytes: 5, source: senderIP, destination: targetIP)
        let bytes = packet.ipv6
        #expect(hex(bytes.prefix(8)) == "60000000" + "0019" + "06" + "40")
        #expect(hex(bytes[8..<24]) == "20010db80000000000000000c0000201")
        #expect(hex(bytes[24..<40]) == "20010db80000000000000000c0000202")
        // But for its checksum.
        #expect(bytes[40..<56] == packet.ipv4[20..<36] && bytes[58...] == packet.ipv4[38...])
    }

    @Test func `a claimed length is claimed and nothing else changes`() {
        var packet = InternetPacket(transport: .tcp, payloadBytes: 500, source: senderIP, destination: targetIP)
        let honest = packet.ipv4
        packet.claimedLength = 100
        #expect(hex(packet.ipv4[2..<4]) == "0064" && internetChecksum(Array(packet.ipv4[..<20])) == 0)
        #expect(packet.ipv4.count == honest.count && packet.ipv4[12...] == honest[12...])
    }

    @Test func `a virtio header is in the machine's order`() {
        let plain = VirtioHeader()
        #expect(plain.bytes == [UInt8](repeating: 0, count: VirtioHeader.byteCount))
        let header = VirtioHeader(
            segmentType: VirtioHeader.SegmentType.tcpv4, segmentBytes: 0x0102, headerBytes: 0x0304,
            checksumStart: 0x0506, checksumOffset: 0x0708)
        let isLittle = UInt16(1).littleEndian == 1
        #expect(hex(header.bytes) == (isLittle ? "01010403020106050807" : "01010304010205060708"))
    }
}
