import AnomalyModel
import Testing

@testable import NetAnomalyDaemon

@Suite struct JSONLineTests {
    private func line(_ record: Record) -> [UInt8] {
        var bytes: [UInt8] = []
        JSONLine.append(record, to: &bytes)
        return bytes
    }

    @Test func `a record is one object with the journal's names in order`() {
        let record = Record(
            rule: RuleName("x"), events: 1, priority: .info,
            fields: [Field(.message, "Hello"), Field(.priority, "6"), Field(.stack, "a+0x1\nb+0x2")])
        let expected = #"{"MESSAGE":"Hello","PRIORITY":"6","NETANOMALY_STACK":"a+0x1\nb+0x2"}"# + "\n"
        #expect(String(decoding: line(record), as: UTF8.self) == expected)
    }

    @Test func `hostile text comes back as it went, on one line`() throws {
        let record = Record(
            rule: RuleName("x"), events: 1, priority: .info,
            fields: [Field(.message, hostile), Field(.command, hostile + "\""), Field(.stack, "\\")])
        let bytes = line(record)
        #expect(bytes.filter { $0 < 0x20 || $0 == 0x7f } == [UInt8(ascii: "\n")])
        #expect(bytes.last == UInt8(ascii: "\n"))
        var parser = ObjectParser(bytes.dropLast())
        let members = try parser.object()
        #expect(members.map(\.0) == record.fields.map(\.name))
        #expect(members.map(\.1) == record.fields.map(\.value))
    }

    @Test(arguments: [arpConflict, gsoMismatch]) func `a whole entry is valid`(_ record: Record) throws {
        var parser = ObjectParser(line(record).dropLast())
        let members = try parser.object()
        #expect(members.map(\.1) == record.fields.map(\.value))
    }
}

/// As much of RFC 8259 as one object of strings needs, and nothing it does not allow.
private struct ObjectParser {
    enum Failure: Error {
        case unexpected(UInt8?)
        case trailing
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func object() throws -> [(String, String)] {
        var members: [(String, String)] = []
        try expect("{")
        repeat {
            let name = try string()
            try expect(":")
            members.append((name, try string()))
        } while take(",")
        try expect("}")
        guard rest.isEmpty else { throw Failure.trailing }
        return members
    }

    private mutating func string() throws -> String {
        try expect("\"")
        var bytes: [UInt8] = []
        while !take("\"") {
            guard let byte = rest.popFirst(), byte >= 0x20 else { throw Failure.unexpected(rest.first) }
            if byte == UInt8(ascii: "\\") {
                bytes += try escaped()
            } else {
                bytes.append(byte)
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Failure.unexpected(nil) }
        return text
    }

    private mutating func escaped() throws -> [UInt8] {
        let byte = rest.popFirst()
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): return [byte ?? 0]
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "u"):
            let digits = String(decoding: rest.prefix(4), as: UTF8.self)
            rest = rest.dropFirst(4)
            guard digits.utf8.count == 4, let code = UInt8(digits, radix: 16), code < 0x80 else {
                throw Failure.unexpected(byte)
            }
            return [code]
        default: throw Failure.unexpected(byte)
        }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest = rest.dropFirst()
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws {
        guard take(character) else { throw Failure.unexpected(rest.first) }
    }
}
