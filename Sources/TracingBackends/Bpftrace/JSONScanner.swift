/// Reads the JSON that bpftrace prints, piece by piece and without recursion.
struct JSONScanner {
    /// Deeper than any record: what is nested deeper is not read.
    private static let maxDepth = 32

    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The next byte that is no blank; it stays.
    mutating func peek() -> UInt8? {
        while position < bytes.count, bytes[position] <= 0x20 { position += 1 }
        return position < bytes.count ? bytes[position] : nil
    }

    /// Takes the byte if it comes next.
    mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        position += 1
        return true
    }

    /// Takes a string and gives what lies between its quotes, still escaped.
    mutating func takeString() -> UnsafeRawBufferPointer? {
        guard take(.quote) else { return nil }
        let start = position
        while position < bytes.count {
            let byte = bytes[position]
            position += byte == .backslash ? 2 : 1
            if byte == .quote { return UnsafeRawBufferPointer(rebasing: bytes[start..<position - 1]) }
        }
        return nil
    }

    /// Takes any value and gives it as it is written.
    ///
    /// What lies inside of brackets is not checked for order.
    mutating func takeValue() -> UnsafeRawBufferPointer? {
        guard peek() != nil else { return nil }
        let start = position
        var depth = 0
        repeat {
            guard let byte = peek() else { return nil }
            switch byte {
            case .quote:
                guard takeString() != nil else { return nil }
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                position += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= 1
                position += 1
            case UInt8(ascii: ","), UInt8(ascii: ":"):
                guard depth > 0 else { return nil }
                position += 1
            default:
                takeWord()
            }
            guard 0...Self.maxDepth ~= depth else { return nil }
        } while depth > 0
        return UnsafeRawBufferPointer(rebasing: bytes[start..<position])
    }

    /// A number, true, false or null: all up to what ends it.
    private mutating func takeWord() {
        position += 1
        while position < bytes.count, bytes[position] > 0x20, !Self.endOfWord.contains(bytes[position]) {
            position += 1
        }
    }

    private static let endOfWord = Array(",:]}[{\"".utf8)
}

/// The escapes of JSON strings, as bpftrace writes them.
enum JSONText {
    /// Appends what the text between two quotes stands for; false if that is no JSON string.
    ///
    /// bpftrace writes each byte above 0x7f by itself, with its sign: `\uffffffc3\uffffffa9` is "é". So the result is what
    /// the script printed, valid UTF-8 or not.
    static func append(_ escaped: UnsafeRawBufferPointer, to text: inout [UInt8]) -> Bool {
        var start = 0
        while start < escaped.count {
            let rest = UnsafeRawBufferPointer(rebasing: escaped[start...])
            let plain = rest.firstOffset(of: .backslash) ?? rest.count
            let run = UnsafeRawBufferPointer(rebasing: rest[..<plain])
            if run.firstOffset(of: .quote) != nil { return false }
            text.append(contentsOf: run)
            start += plain
            guard start < escaped.count else { return true }
            let taken = appendEscape(escaped, at: start + 1, to: &text)
            if taken == 0 { return false }
            start += 1 + taken
        }
        return true
    }

    /// - Returns: how many bytes it takes after the backslash; 0 if it is no escape.
    private static func appendEscape(_ bytes: UnsafeRawBufferPointer, at start: Int, to text: inout [UInt8]) -> Int {
        guard start < bytes.count else { return 0 }
        switch bytes[start] {
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case .quote, .backslash, UInt8(ascii: "/"): text.append(bytes[start])
        case UInt8(ascii: "u"): return appendNumber(bytes, at: start, to: &text)
        default: return 0
        }
        return 1
    }

    private static func appendNumber(_ bytes: UnsafeRawBufferPointer, at start: Int, to text: inout [UInt8]) -> Int {
        guard let number = hexadecimal(bytes, at: start + 1, count: 4) else { return 0 }
        if number == 0xffff, let signed = hexadecimal(bytes, at: start + 1, count: 8), signed >= 0xffff_ff80 {
            text.append(UInt8(truncatingIfNeeded: signed))
            return 9
        }
        // A half of a pair is U+FFFD; bpftrace writes none.
        text.append(contentsOf: String(UnicodeScalar(number) ?? "\u{fffd}").utf8)
        return 5
    }

    private static func hexadecimal(_ bytes: UnsafeRawBufferPointer, at start: Int, count: Int) -> UInt32? {
        guard start + count <= bytes.count else { return nil }
        var number: UInt32 = 0
        for byte in bytes[start..<start + count] {
            guard let digit = Character(UnicodeScalar(byte)).hexDigitValue else { return nil }
            number = number << 4 | UInt32(digit)
        }
        return number
    }
}

extension UInt8 {
    static let quote = UInt8(ascii: "\"")
    static let backslash = UInt8(ascii: "\\")
}
