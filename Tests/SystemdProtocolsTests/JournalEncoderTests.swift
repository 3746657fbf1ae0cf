import AnomalyModel
import SystemdProtocols
import Testing

@Suite struct JournalEncoderTests {
    @Test func `plain text is one line a field`() {
        var encoder = JournalEncoder()
        encoder.encode([Field(.message, "a = b\tß"), Field(.priority, "4")])
        #expect(String(validating: encoder.bytes, as: UTF8.self) == "MESSAGE=a = b\tß\nPRIORITY=4\n")
    }

    @Test func `a value with a newline is sent by its length`() {
        var encoder = JournalEncoder()
        encoder.encode([Field(.stack, "a\nb")])
        #expect(encoder.bytes == Array("NETANOMALY_STACK\n".utf8) + [3, 0, 0, 0, 0, 0, 0, 0] + Array("a\nb\n".utf8))
    }

    @Test(arguments: [
        "\n", "\0", "\u{1b}[31m", "x\nPRIORITY=0\n", "\n\n_PID=1", "\u{7f}", "\r", "=", "a\u{85}b", "\u{2028}",
        "… (cut, 5 bytes)", "\n\u{3}\0\0\0\0\0\0\0",
    ])
    func `nothing a value says opens another field`(_ hostile: String) throws {
        let fields = [Field(.message, hostile), Field(.command, "x" + hostile), Field(.priority, "4")]
        var encoder = JournalEncoder()
        encoder.encode(fields)
        #expect(try decodeEntry(encoder.bytes) == fields)
    }

    @Test func `random fields come back as they went`() throws {
        var random = SeededGenerator(state: 3)
        var encoder = JournalEncoder()
        let letters: [Character] = ["\n", "\0", "a", "=", "\u{1b}", "é", "漢", "😀", "\t", "_"]
        for _ in 0..<500 {
            let fields = (0..<Int.random(in: 0...20, using: &random)).map { _ in
                let length = Int.random(in: 1...40, using: &random)
                let value = String((0..<length).map { _ in letters.randomElement(using: &random) ?? "a" })
                let isOurs = Int.random(in: 0..<4, using: &random) > 0
                let name = isOurs ? FieldName.allCases.randomElement(using: &random) : nil
                return name.map { Field($0, value) } ?? Field(scriptKey: "own_\(length)", value)
            }
            encoder.encode(fields)
            #expect(try decodeEntry(encoder.bytes) == fields)
        }
    }

    @Test func `an over-long value is cut before a character and says so`() throws {
        var encoder = JournalEncoder()
        for pad in 0..<4 {
            let value = String(repeating: "x", count: pad) + String(repeating: "漢", count: 20_000)
            encoder.encode([Field(.message, value), Field(.priority, "4")])
            let decoded = try decodeEntry(encoder.bytes)
            let message = try #require(decoded.first).value
            let mark = "… (cut, \(60_000 + pad) bytes)"
            #expect(message.hasSuffix(mark))
            #expect(value.hasPrefix(message.dropLast(mark.count)))
            #expect(message.utf8.count <= JournalEncoder.maxValueBytes)
            #expect(message.utf8.count > JournalEncoder.maxValueBytes - 4)
            #expect(decoded.last == Field(.priority, "4"))
        }
    }

    @Test func `a value of exactly the limit stays whole`() throws {
        var encoder = JournalEncoder()
        let fields = [Field(.message, String(repeating: "x", count: JournalEncoder.maxValueBytes))]
        encoder.encode(fields)
        #expect(try decodeEntry(encoder.bytes) == fields)
    }

    @Test(arguments: [5, 40, 256, 5000])
    func `an entry of many long values fits and keeps its fields`(_ count: Int) throws {
        var encoder = JournalEncoder()
        let long = Field(.firstBoottime, "\n" + String(repeating: "y", count: 16_000))
        encoder.encode(Array(repeating: long, count: count) + [Field(.count, "7")])
        #expect(encoder.bytes.count <= JournalEncoder.maxEntryBytes)
        let decoded = try decodeEntry(encoder.bytes)
        #expect(decoded.count == min(count + 1, JournalEncoder.maxFields))
    }

    @Test func `an entry leaves nothing behind for the next`() throws {
        var encoder = JournalEncoder()
        encoder.encode([Field(.stack, String(repeating: "a\n", count: 3000))])
        encoder.encode([Field(.priority, "4")])
        #expect(try decodeEntry(encoder.bytes) == [Field(.priority, "4")])
    }
}
