import AnomalyModel

/// Bytes in the order of the wire, put together field by field.
struct WireBytes {
    private(set) var bytes: [UInt8] = []

    mutating func add8(_ value: UInt8) { bytes.append(value) }

    mutating func add16(_ value: UInt16) { addNumber(UInt64(value), count: 2) }

    mutating func add32(_ value: UInt32) { addNumber(UInt64(value), count: 4) }

    /// In the machine's own order, as the kernel wants a virtio header.
    mutating func addNative16(_ value: UInt16) { add16(value.bigEndian) }

    mutating func add(_ mac: MACAddress) { addNumber(mac.bits, count: 6) }

    mutating func add(_ address: IPv4Address) { add32(address.bits) }

    mutating func add(_ more: [UInt8]) { bytes += more }

    private mutating func addNumber(_ number: UInt64, count: Int) {
        for place in (0..<count).reversed() { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * place))) }
    }
}

/// The Internet checksum, RFC 1071.
func internetChecksum(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for start in stride(from: 0, to: bytes.count, by: 2) {
        sum += UInt32(bytes[start]) << 8 | (start + 1 < bytes.count ? UInt32(bytes[start + 1]) : 0)
    }
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    return ~UInt16(truncatingIfNeeded: sum)
}

/// An Ethernet II frame without the padding that only a wire needs.
func ethernetFrame(to destination: MACAddress, from source: MACAddress, type: UInt16, _ payload: [UInt8]) -> [UInt8] {
    var frame = WireBytes()
    frame.add(destination)
    frame.add(source)
    frame.add16(type)
    frame.add(payload)
    return frame.bytes
}
