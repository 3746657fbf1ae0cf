/// A 48-bit Ethernet address.
public struct MACAddress: Hashable, Sendable, CustomStringConvertible {
    /// The six bytes in wire order, in the low 48 bits, first byte highest.
    public let bits: UInt64

    /// Takes six bytes in wire order.
    public init(_ bytes: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)) {
        let (a, b, c, d, e, f) = bytes
        bits = [a, b, c, d, e, f].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Takes the address as a number, first byte highest.
    public init(bits: UInt64) { self.bits = bits }

    /// `02:66:00:00:00:01`.
    public var description: String {
        stride(from: 40, through: 0, by: -8).map { hexByte(UInt8(truncatingIfNeeded: bits >> UInt64($0))) }
            .joined(separator: ":")
    }
}

/// An IPv4 address.
public struct IPv4Address: Hashable, Sendable, CustomStringConvertible {
    /// Host byte order.
    public let bits: UInt32

    /// Takes the address as the kernel holds it: network byte order.
    public init(networkOrder: UInt32) { bits = UInt32(bigEndian: networkOrder) }

    /// Takes the address in host byte order.
    public init(bits: UInt32) { self.bits = bits }

    /// `192.0.2.1`.
    public var description: String { "\(bits >> 24).\(bits >> 16 & 255).\(bits >> 8 & 255).\(bits & 255)" }
}

/// An IPv6 address.
public struct IPv6Address: Hashable, Sendable, CustomStringConvertible {
    /// Eight groups in host byte order.
    public let groups: [UInt16]

    /// Takes 16 bytes in wire order.
    ///
    /// - Precondition: `bytes` has 16 elements.
    public init(bytes: [UInt8]) {
        precondition(bytes.count == 16, "an IPv6 address has 16 bytes")
        groups = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
    }

    /// The canonical text of RFC 5952: lower case, the first longest run of zero groups (two or more) as `::`.
    public var description: String {
        var longest = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > max(1, longest.count) { longest = start..<end }
            start = max(end, start + 1)
        }
        func hex(_ part: ArraySlice<UInt16>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        if longest.isEmpty { return hex(groups[...]) }
        return hex(groups[..<longest.lowerBound]) + "::" + hex(groups[longest.upperBound...])
    }
}

/// Two lower-case hex digits.
public func hexByte(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
}

/// Text that came from a packet, a program or an interface name, made safe for a terminal and a journal field.
///
/// Control characters and bytes that are not UTF-8 become `\xNN`, a backslash becomes `\\`; the rest stays.
/// The result holds no newline, so nothing a packet says can open another field.
public func safeText(_ bytes: some Sequence<UInt8>) -> String {
    var plain: [UInt8] = []
    for byte in bytes {
        if byte == 0 { break }
        plain.append(byte)
    }
    let text = String(validating: plain, as: UTF8.self)
    if let text, !plain.contains(where: { $0 < 0x20 || $0 == 0x7f || $0 == UInt8(ascii: "\\") }),
        !text.unicodeScalars.contains(where: { (0x80...0x9f).contains($0.value) })
    {
        return text
    }
    return plain.map { byte in
        switch byte {
        case UInt8(ascii: "\\"): "\\\\"
        case 0x20..<0x7f: String(UnicodeScalar(byte))
        default: "\\x" + hexByte(byte)
        }
    }.joined()
}
