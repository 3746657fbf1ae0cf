public import AnomalyModel

/// Writes fields in journald's native protocol (systemd.io, "Native Journal Protocol") into a buffer it keeps.
///
/// One line `KEY=value` for plain text; `KEY`, the length as 64 bits little-endian, and the value for everything that
/// holds a control character. The length form cannot be broken by what the value says.
public struct JournalEncoder: Sendable {
    /// Largest entry made; a usual one has 2 KiB.
    ///
    /// Well below the default SO_SNDBUF (212 992), above which a memfd would have to carry it.
    public static let maxEntryBytes = 64 * 1024

    /// Longest value, halved until the entry fits; the deepest stack (127 frames) has 8 KiB.
    public static let maxValueBytes = 16 * 1024

    /// Most fields of an entry, every name we have thrice: the halving then ends within `maxEntryBytes`.
    public static let maxFields = 256

    private static let minValueBytes = 64

    /// The entry encoded last.
    public private(set) var bytes: [UInt8] = []

    /// Starts with an empty buffer.
    public init() {}

    /// Replaces `bytes` by the entry of these fields.
    ///
    /// A value that is too long ends in `… (cut, N bytes)`, N being its whole length.
    public mutating func encode(_ fields: [Field]) {
        var limit = Self.maxValueBytes
        write(fields, cuttingValuesAt: limit)
        while bytes.count > Self.maxEntryBytes, limit > Self.minValueBytes {
            limit /= 2
            write(fields, cuttingValuesAt: limit)
        }
    }

    private mutating func write(_ fields: [Field], cuttingValuesAt limit: Int) {
        bytes.removeAll(keepingCapacity: true)
        for field in fields.prefix(Self.maxFields) {
            bytes.append(contentsOf: field.name.utf8)
            if field.value.utf8.count <= limit {
                append(field.value.utf8)
            } else {
                append(Self.cut(field.value, at: limit).utf8)
            }
            bytes.append(UInt8(ascii: "\n"))
        }
    }

    private mutating func append(_ value: String.UTF8View) {
        guard value.contains(where: { $0 < 0x20 && $0 != UInt8(ascii: "\t") || $0 == 0x7f }) else {
            bytes.append(UInt8(ascii: "="))
            bytes.append(contentsOf: value)
            return
        }
        bytes.append(UInt8(ascii: "\n"))
        let length = UInt64(value.count)
        for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: length >> shift)) }
        bytes.append(contentsOf: value)
    }

    /// The part of the value that fits, ended before a character rather than within it, and the mark.
    private static func cut(_ value: String, at limit: Int) -> String {
        let mark = "… (cut, \(value.utf8.count) bytes)"
        var end = value.utf8.index(value.startIndex, offsetBy: max(0, limit - mark.utf8.count))
        // 10xxxxxx continues a character.
        while end > value.startIndex, value.utf8[end] & 0xc0 == 0x80 { end = value.utf8.index(before: end) }
        return value[..<end] + mark
    }
}
