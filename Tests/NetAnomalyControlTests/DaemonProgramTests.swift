import Glibc
import Testing

@testable import NetAnomalyControl

/// Which netanomalyd a self-test runs.
@Suite struct DaemonProgramTests {
    private let folder: String

    init() throws {
        var template = Array("/tmp/netanomalyctl-test-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func remove() {
        unlink(folder + "/netanomalyd")
        rmdir(folder)
    }

    private func place(mode: mode_t) {
        close(open(folder + "/netanomalyd", O_CREAT | O_WRONLY | O_CLOEXEC, mode))
    }

    @Test func `the one beside the tool comes first`() {
        defer { remove() }
        place(mode: 0o755)
        let path = DaemonProgram.find(besideProgram: folder + "/netanomalyctl", searchPath: "/elsewhere")
        #expect(path == folder + "/netanomalyd")
    }

    @Test func `what is not a program is passed over`() throws {
        defer { remove() }
        place(mode: 0o644)
        let path = DaemonProgram.find(besideProgram: folder + "/netanomalyctl", searchPath: folder)
        #expect(path == nil || path == "/usr/sbin/netanomalyd")
    }

    @Test func `the search path comes last`() {
        defer { remove() }
        place(mode: 0o755)
        let path = DaemonProgram.find(besideProgram: nil, searchPath: "/elsewhere:" + folder)
        #expect(path == folder + "/netanomalyd" || path == "/usr/sbin/netanomalyd")
    }
}
