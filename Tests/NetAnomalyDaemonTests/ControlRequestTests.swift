import Glibc
import Testing

@testable import NetAnomalyDaemon

/// `--reload` against daemons that do not behave.
@Suite struct ControlRequestTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// What `ask` returns, and errno, of a daemon that says these bytes and hangs up.
    private func ask(answering bytes: [UInt8]) throws -> (answer: String?, failure: Int32) {
        let server = try BoundSocket(path: folder.socket, type: SOCK_STREAM, backlog: 1)
        let listener = server.descriptor
        let thread = onThread {
            let client = accept(listener, nil, nil)
            var request = [UInt8](repeating: 0, count: 64)
            _ = read(client, &request, request.count)
            _ = send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            close(client)
        }
        let answer = ControlRequest.ask("reload", path: folder.socket)
        let failure = errno
        pthread_join(thread, nil)
        return (answer, failure)
    }

    @Test func `an answer comes without its last newline`() throws {
        #expect(try ask(answering: Array("refused\nf:1:1: error: x\n".utf8)).answer == "refused\nf:1:1: error: x")
    }

    @Test(arguments: ["", "appl"])
    func `an answer that breaks off is none`(text: String) throws {
        let result = try ask(answering: Array(text.utf8))
        #expect(result.answer == nil && result.failure == EPROTO)
    }

    @Test func `an answer without end is given up`() throws {
        let result = try ask(answering: [UInt8](repeating: 0x78, count: 3 << 20))
        #expect(result.answer == nil && result.failure == EPROTO)
    }

    @Test func `a daemon that says nothing in time is given up`() throws {
        let server = try BoundSocket(path: folder.socket, type: SOCK_STREAM, backlog: 1)
        let answer = ControlRequest.ask("reload", path: folder.socket, timeoutMilliseconds: 1)
        #expect(answer == nil && errno == ETIMEDOUT && server.descriptor >= 0)
    }

    @Test func `no daemon is told from a dead one`() throws {
        #expect(ControlRequest.ask("reload", path: folder.socket) == nil && errno == ENOENT)
        do { _ = try BoundSocket(path: folder.socket, type: SOCK_STREAM, backlog: 1) }
        #expect(ControlRequest.ask("reload", path: folder.socket) == nil && errno == ECONNREFUSED)
    }
}
