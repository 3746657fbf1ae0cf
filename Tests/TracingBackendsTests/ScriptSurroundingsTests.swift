import AnomalyModel
import Detectors
import Glibc
import Testing

@testable import TracingBackends

/// What our own scripts are told of the running kernel, and what is left out for an old one.
@Suite struct ScriptSurroundingsTests {
    private static func scripts() throws -> [String] {
        try allDetectors.map { try #require($0 as? any BpftraceDetector.Type).script }
    }

    /// The description of kfree_skb before Linux 5.17, as far as it matters.
    private let withoutReason = "\tfield:void * location;\toffset:16;\n\tfield:unsigned short protocol;\toffset:24;\n"

    private func format(_ text: String) throws -> String {
        var template = Array("/tmp/netanomalyd-test-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        try #require(write(descriptor, text, text.utf8.count) == text.utf8.count)
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func adapted(_ script: String, to text: String) throws -> String {
        let path = try format(text)
        defer { unlink(path) }
        return String(decoding: ScriptSurroundings.adapted(script, format: path), as: UTF8.self)
    }

    @Test(arguments: try scripts())
    func `without the reason of a drop, nothing of a drop is left, and all else is`(script: String) throws {
        let old = try adapted(script, to: withoutReason)
        #expect(script.contains("args->reason") && !old.contains("kfree_skb") && !old.contains("args->reason"))
        for kept in ["printf(\"ready 1\\n\")", "printf(\"ready 2\\n\")", "alive", "tracepoint:net:net_dev_queue"] {
            #expect(old.contains(kept), "\(kept)")
        }
        let lines = script.split(separator: "\n", omittingEmptySubsequences: false)
        let begin = try #require(lines.firstIndex(of: "// --- needs reason: begin ---"))
        let end = try #require(lines.firstIndex(of: "// --- needs reason: end ---"))
        #expect(old == (lines[..<begin] + lines[(end + 1)...]).joined(separator: "\n"))
    }

    @Test(arguments: try scripts())
    func `where the reason is told, or nothing can be found out, a script stays as it is`(script: String) throws {
        #expect(try adapted(script, to: withoutReason + "\tfield:enum skb_drop_reason reason;\toffset:28;\n") == script)
        #expect(ScriptSurroundings.adapted(script, format: "/nonexistent/format") == Array(script.utf8))
    }

    @Test(arguments: [
        "", "BEGIN { exit(); }\n", "// --- needs reason: begin ---\n", "// --- needs reason: end ---\n",
        "// --- needs reason: end ---\n// --- needs reason: begin ---\n",
    ])
    func `a script without the two marks in their order stays as it is`(script: String) throws {
        #expect(try adapted(script, to: withoutReason) == script)
    }

    @Test(.enabled(if: access("/sys/kernel/btf/vmlinux", R_OK) == 0))
    func `offsets are told one more than they are, what is unknown as 0`() throws {
        let unknown = ModuleMember(module: "no-such", structure: "no_such_structure", member: "x")
        // Which is at its beginning, in every kernel and not of a module.
        let known = ModuleMember(module: "no-such", structure: "list_head", member: "next")
        let layout = ScriptSurroundings.layout(of: [unknown, known, unknown])
        #expect(layout.count == 4 && Array(layout.prefix(3)) == ["0", "1", "0"])
        let privatePart = try #require(layout.last.flatMap { UInt32($0) })
        #expect(privatePart > 1 && (privatePart - 1) % 32 == 0, "as the kernel aligns it")
    }

    @Test(.enabled(if: bpftraceProblem == nil, "\(bpftraceProblem ?? "")"), arguments: try scripts())
    func `a script for an old kernel runs`(script: String) throws {
        let count = script.contains("tun_file") ? 11 : 1
        let watched = try WatchedSession(
            try adapted(script, to: withoutReason), arguments: ["1"] + Array(repeating: "0", count: count - 1))
        try watched.runUntilReady()
        try watched.stop()
        #expect(watched.failures.isEmpty && watched.counts.unreadable == 0)
    }
}
