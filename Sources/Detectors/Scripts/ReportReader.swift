/// Takes a printed report apart into keys and values; what they mean is not known here.
struct ReportReader {
    /// Takes one pair; what it throws ends the reading.
    typealias Taker = (_ key: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) throws(UnreadableReport) -> Void

    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The byte that is read next; nil at the end.
    var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    mutating func skipBlanks() {
        while let byte = next, Self.isBlank(byte) { index += 1 }
    }

    // MARK: Pairs

    /// `key=value` and `key="a value"`, separated by blanks; all that follows `stack=` belongs to it.
    mutating func readPairs(_ take: Taker) throws(UnreadableReport) {
        while next != nil {
            let key = takeBytes { $0 != UInt8(ascii: "=") && !Self.isBlank($0) }
            guard skip("=") else { throw UnreadableReport("expected key=value, found \(shown(key))") }
            try take(key, try pairValue(of: key))
            skipBlanks()
        }
    }

    private mutating func pairValue(of key: ArraySlice<UInt8>) throws(UnreadableReport) -> ArraySlice<UInt8> {
        if key.elementsEqual("stack".utf8) { return takeBytes { _ in true } }
        guard skip("\"") else { return takeBytes { !Self.isBlank($0) } }
        var value = takeBytes { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
        while let byte = next, byte != UInt8(ascii: "\"") {
            index += 1
            // A backslash before anything else stands for itself.
            if byte == UInt8(ascii: "\\"), let escaped = next, escaped == byte || escaped == UInt8(ascii: "\"") {
                index += 1
                value.append(escaped)
            } else {
                value.append(byte)
            }
        }
        guard skip("\"") else { throw UnreadableReport("the quoted value of \(shown(key)) has no end") }
        guard next.map(Self.isBlank) ?? true else {
            throw UnreadableReport("expected a blank after the quoted value of \(shown(key))")
        }
        return value
    }

    // MARK: JSON

    /// A JSON object (RFC 8259) whose values are strings, numbers and booleans; null is no value.
    mutating func readObject(_ take: Taker) throws(UnreadableReport) {
        try expect("{")
        skipBlanks()
        if next != UInt8(ascii: "}") {
            repeat {
                skipBlanks()
                let key = try string()
                skipBlanks()
                try expect(":")
                skipBlanks()
                try take(key, next == UInt8(ascii: "\"") ? try string() : try word(of: key))
                skipBlanks()
            } while skip(",")
        }
        try expect("}")
        skipBlanks()
        guard next == nil else { throw UnreadableReport("expected nothing after the JSON object") }
    }

    /// A number or a boolean as it is written; nothing for null.
    private mutating func word(of key: ArraySlice<UInt8>) throws(UnreadableReport) -> ArraySlice<UInt8> {
        let word = takeBytes { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "}") && !Self.isBlank($0) }
        if word.elementsEqual("null".utf8) { return [] }
        if word.elementsEqual("true".utf8) || word.elementsEqual("false".utf8) || Self.looksLikeNumber(word) {
            return word
        }
        throw UnreadableReport("expected a string, number or boolean for \(shown(key)), found \(shown(word))")
    }

    /// Enough to tell it from all else that may stand there.
    private static func looksLikeNumber(_ word: ArraySlice<UInt8>) -> Bool {
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        return word.contains(where: isDigit) && word.allSatisfy { isDigit($0) || "-+.eE".utf8.contains($0) }
    }

    private mutating func string() throws(UnreadableReport) -> ArraySlice<UInt8> {
        try expect("\"")
        var value = takeBytes { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
        while let byte = next, byte != UInt8(ascii: "\"") {
            index += 1
            if byte == UInt8(ascii: "\\") {
                value += try escaped()
            } else {
                value.append(byte)
            }
        }
        try expect("\"")
        return value
    }

    private mutating func escaped() throws(UnreadableReport) -> [UInt8] {
        guard let byte = next else { throw UnreadableReport("expected more after '\\' in JSON") }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0c]
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "r"): return [0x0d]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            var units = [try unit()]
            // A character beyond the basic plane has two; halves without each other become U+FFFD.
            if UTF16.isLeadSurrogate(units[0]), bytes[index...].starts(with: "\\u".utf8) {
                index += 2
                units.append(try unit())
            }
            return Array(String(decoding: units, as: UTF16.self).utf8)
        default: throw UnreadableReport("expected an escape of JSON after '\\', found \(shown([byte][...]))")
        }
    }

    private mutating func unit() throws(UnreadableReport) -> UInt16 {
        let digits = String(decoding: bytes[index...].prefix(4), as: UTF8.self)
        guard digits.utf8.count == 4, digits.allSatisfy(\.isHexDigit), let unit = UInt16(digits, radix: 16) else {
            throw UnreadableReport("expected four hex digits after '\\u'")
        }
        index += 4
        return unit
    }

    // MARK: Bytes

    private mutating func takeBytes(while isWanted: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        let start = index
        while let byte = next, isWanted(byte) { index += 1 }
        return bytes[start..<index]
    }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(UnreadableReport) {
        if skip(character) { return }
        throw UnreadableReport("expected '\(character)' in JSON, found \(next.map { shown([$0][...]) } ?? "the end")")
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || (0x09...0x0d).contains(byte) }
}
