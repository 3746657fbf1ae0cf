import Glibc
import Testing

@testable import NetAnomalyControl

/// netanomalyctl against daemons that do not behave.
@Suite struct ControlClientTests {
    private let folder: String
    private var path: String { folder + "/socket" }

    init() throws {
        var template = Array("/tmp/netanomalyctl-test-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A stream socket at the path.
    private func openListener(backlog: Int32) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        #expect(withAddress { bind(descriptor, $0, $1) } == 0 && listen(descriptor, backlog) == 0)
        return descriptor
    }

    private func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private func remove() {
        unlink(path)
        rmdir(folder)
    }

    /// The answer, or the sentence of the failure.
    private func ask(timeoutMilliseconds: Int = 10_000) -> String {
        do throws(ControlFailure) {
            return try ControlClient(path: path, timeoutMilliseconds: timeoutMilliseconds).ask("status")
        } catch {
            return error.description
        }
    }

    /// What the client makes of a daemon that says these bytes and hangs up; nil hangs up on the request unread.
    private func ask(answering bytes: [UInt8]?) -> String {
        let listener = openListener(backlog: 1)
        let thread = onThread {
            let client = accept(listener, nil, nil)
            if let bytes {
                var request = [UInt8](repeating: 0, count: 64)
                _ = read(client, &request, request.count)
                _ = send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            } else {
                var request = pollfd(fd: client, events: Int16(POLLIN), revents: 0)
                poll(&request, 1, 10_000)
            }
            close(client)
        }
        defer {
            pthread_join(thread, nil)
            close(listener)
            remove()
        }
        return ask()
    }

    @Test func `an answer comes whole, without its last newline`() {
        let large = String(repeating: "0123456789", count: 100_000)
        #expect(ask(answering: Array((large + "\n\n").utf8)) == large + "\n")
    }

    @Test func `an answer that breaks off is an error`() {
        #expect(ask(answering: Array("{\"vers".utf8)) == "netanomalyd on \(path) broke off its answer")
    }

    @Test(arguments: [[], nil] as [[UInt8]?])
    func `a daemon that hangs up is an error`(bytes: [UInt8]?) {
        #expect(
            ask(answering: bytes)
                == "netanomalyd on \(path) hung up: it has too many clients, or is about to stop")
    }

    @Test func `an answer without end is given up`() {
        #expect(
            ask(answering: [UInt8](repeating: 0x78, count: 5 << 20))
                == "netanomalyd on \(path) gives an answer without end")
    }

    @Test func `a daemon that says nothing is given up`() {
        let listener = openListener(backlog: 1)
        #expect(ask(timeoutMilliseconds: 1) == "netanomalyd on \(path) gave no answer in 1 ms")
        close(listener)
        remove()
    }

    @Test func `a daemon that no longer accepts is given up`() {
        let listener = openListener(backlog: 0)
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue)
        var waiting: [Int32] = []
        repeat {
            waiting.append(socket(AF_UNIX, type, 0))
        } while waiting.count < 100
            && withAddress { connect(waiting[waiting.count - 1], $0, $1) } == 0
        #expect(waiting.count < 100)
        #expect(ask(timeoutMilliseconds: 1) == "netanomalyd on \(path) is too busy to answer: try again")
        waiting.forEach { close($0) }
        close(listener)
        remove()
    }

    @Test func `no daemon, and a dead one, are told with what to do`() {
        func sentence(_ reason: String) -> String {
            "No netanomalyd answers on \(path) (\(reason)): start it with 'systemctl start netanomalyd', "
                + "or name its socket with --control"
        }
        #expect(ask() == sentence("No such file or directory"))
        close(openListener(backlog: 1))
        #expect(ask() == sentence("Connection refused"))
        remove()
    }

    @Test func `a path too long for a socket is an error in words`() {
        remove()
        let long = folder + "/" + String(repeating: "p", count: 100)
        let error = #expect(throws: ControlFailure.self) { try ControlClient(path: long).ask("status") }
        #expect(error?.description == "\(long): a socket's path has at most 107 bytes")
    }
}

/// Runs the body on a thread of its own: it may block without holding up other tests.
private func onThread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
    final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { box in
            if let box { Unmanaged<Box>.fromOpaque(box).takeRetainedValue().body() }
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
    return thread
}
