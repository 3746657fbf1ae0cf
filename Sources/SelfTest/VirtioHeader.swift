/// `struct virtio_net_hdr`: what the owner of a TUN or TAP says of the packet behind it.
struct VirtioHeader {
    enum SegmentType {
        static let none: UInt8 = 0
        static let tcpv4: UInt8 = 1
        static let udp: UInt8 = 3
        static let tcpv6: UInt8 = 4
        /// A bit beside one of the others.
        static let ecn: UInt8 = 0x80
    }

    static let byteCount = 10

    var segmentType = SegmentType.none
    var segmentBytes: UInt16 = 0
    var headerBytes: UInt16 = 0
    /// Where the checksum begins that the device shall compute; nil for none.
    var checksumStart: UInt16?
    var checksumOffset: UInt16 = 0

    /// The header as it stands before the frame.
    var bytes: [UInt8] {
        var header = WireBytes()
        header.add8(checksumStart == nil ? 0 : 1)  // VIRTIO_NET_HDR_F_NEEDS_CSUM
        header.add8(segmentType)
        header.addNative16(headerBytes)
        header.addNative16(segmentBytes)
        header.addNative16(checksumStart ?? 0)
        header.addNative16(checksumOffset)
        return header.bytes
    }
}
