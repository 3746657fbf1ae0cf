import Testing

@testable import TracingBackends

@Suite struct LineSplitterTests {
    /// The lines of a stream that comes in pieces of a size.
    private func lines(_ stream: String, pieces: Int, maxLineBytes: Int = 8) -> (lines: [String], oversized: UInt64) {
        var splitter = LineSplitter(maxLineBytes: maxLineBytes)
        var lines: [String] = []
        let bytes = Array(stream.utf8)
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            bytes[start..<min(start + pieces, bytes.count)].withUnsafeBytes { piece in
                splitter.feed(piece) { lines.append(String(decoding: $0, as: UTF8.self)) }
            }
        }
        splitter.end { lines.append(String(decoding: $0, as: UTF8.self)) }
        return (lines, splitter.oversized)
    }

    @Test(arguments: 1...20) func `lines are the same whatever the pieces`(pieces: Int) {
        let (lines, oversized) = lines("one\n\ntwo\nexactly8\nnine bytes\nlast", pieces: pieces)
        #expect(lines == ["one", "", "two", "exactly8", "last"])
        #expect(oversized == 1)
    }

    @Test(arguments: [1, 7, 64]) func `a long line does not take its neighbours along`(pieces: Int) {
        let long = String(repeating: "x", count: 1000)
        let (lines, oversized) = lines("a\n\(long)\nb\n\(long)", pieces: pieces)
        #expect(lines == ["a", "b"])
        #expect(oversized == 2)
    }

    @Test func `an end after a newline is no line`() { #expect(lines("a\n", pieces: 9).lines == ["a"]) }
}

@Suite struct BpftraceRecordTests {
    private func read(_ line: String) -> BpftraceRecord { read(Array(line.utf8)).record }

    private func read(_ line: [UInt8]) -> (record: BpftraceRecord, text: [UInt8]) {
        var text = Array("left from the last line".utf8)
        let record = line.withUnsafeBytes { BpftraceRecord.read($0, text: &text) }
        return (record, text)
    }

    private func text(_ line: String) -> [UInt8]? {
        let (record, text) = read(Array(line.utf8))
        return record == .text ? text : nil
    }

    @Test func `a printf gives its text`() {
        #expect(text(#"{"type": "printf", "data": "ready 1\n"}"#) == Array("ready 1\n".utf8))
        #expect(text(#"{"type": "printf", "data": ""}"#) == [])
        #expect(text(#"{"type": "printf", "data": "a\"b\\c\/\b\f\r\t"}"#) == Array("a\"b\\c/\u{8}\u{c}\r\t".utf8))
    }

    @Test func `other blanks and another order are read too`() {
        #expect(text(#" { "data":"x" , "type" :"printf","more":[1,{"a":2}] } "#) == Array("x".utf8))
    }

    @Test func `bytes above 0x7f come as bpftrace writes them, with their sign`() {
        #expect(text(#"{"type": "printf", "data": "\uffffffc3\uffffffa9\uffffffff"}"#) == [0xc3, 0xa9, 0xff])
        #expect(text(#"{"type": "printf", "data": "\u0001\u00e9\uffff!"}"#) == [1] + Array("\u{e9}\u{ffff}!".utf8))
    }

    @Test func `raw bytes that are no UTF-8 stay what they are`() {
        let line = Array(#"{"type": "printf", "data": ""#.utf8) + [0xff, 0xc3, 0x01] + Array(#""}"#.utf8)
        #expect(read(line).record == .text)
        #expect(read(line).text == [0xff, 0xc3, 0x01])
    }

    @Test(arguments: [
        "nonsense", "{", "{}", "[1]", "\u{0}", #"{"type": "printf"}x"#, #"{"type": 5}"#,
        #"{"type": "printf", "data": 5}"#, #"{"type": "printf", "data": "a"b"}"#, #"{"type": "printf", "data": "a\"}"#,
        #"{"type": "printf", "data": "\x41"}"#, #"{"type": "printf", "data": "\u12"}"#,
        #"{"type": "printf", "data": "ready"#, #"{"type": "lost_events", "data": {"events": -1}}"#,
        #"{"type": "lost_events", "data": {}}"#, #"{"type": "value", "data": [1,}"#, "Lost many events",
        "{\"type\": \"value\", \"data\": " + String(repeating: "[", count: 40000),
    ]) func `what is broken is unreadable`(line: String) { #expect(read(line) == .unreadable) }

    @Test(arguments: [
        (#"{"type": "attached_probes", "data": {"probes": 3}}"#, BpftraceRecord.attachedProbes(3)),
        (#"{"type": "lost_events", "data": {"events": 2916}}"#, .lost(2916)),
        ("Lost 12 events", .lost(12)),
        (#"{"type": "map", "data": {"@printed": 51000}}"#, .map(name: "@printed", value: 51000)),
        (#"{"type": "map", "data": {"@m": {"1,a": 3}}}"#, .other(type: "map")),
        (#"{"type": "map", "data": {"@s": "str"}}"#, .other(type: "map")),
        (#"{"type": "hist", "data": {"@h": [{"min": 4, "max": 7, "count": 1}]}}"#, .other(type: "hist")),
        (#"{"type": "time", "data": "00:31:07\n"}"#, .other(type: "time")),
        (#"{"type": "of the future"}"#, .other(type: "of the future")),
        (#"{"type": "value", "data": -3}"#, .value(["-3"])),
        (#"{"type": "value", "data": "te\"x\ufffffffft"}"#, .value(["te\"x\u{fffd}t"])),
        (#"{"type": "value", "data": [1,[2,"in"],"s"]}"#, .value(["1", #"[2,"in"]"#, "s"])),
        (#"{"type": "value", "data": []}"#, .value([])),
        ("", .empty), (" \r", .empty),
    ]) func `records of 0.17 and 0.23 are told apart`(line: String, record: BpftraceRecord) {
        #expect(read(line) == record)
    }

    @Test func `a call that failed in the kernel is told in words`() {
        let old = #"{"type": "helper_error", "helper": "map_delete_elem", "retcode": -2, "line": 1, "col": 18}"#
        let new = #"{"type": "helper_error", "msg": "No such.", "helper": "map_delete_elem", "retcode": -2, "line": 1}"#
        #expect(read(old) == .helperError("map_delete_elem failed in line 1: returned -2"))
        #expect(read(new) == .helperError("map_delete_elem failed in line 1: No such."))
    }
}
