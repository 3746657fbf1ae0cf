import Glibc

@testable import NetAnomalyDaemon

struct CannotPrepare: Error {}

/// A folder that goes when its owner does, with what tests put into it.
final class TemporaryFolder {
    let path: String
    var socket: String { path + "/socket" }
    var file: String { path + "/file" }

    init() throws {
        var template = Array("/tmp/netanomalyd-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CannotPrepare() }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        unlink(socket)
        unlink(file)
        rmdir(path)
    }

    func write(_ text: String) throws {
        guard let stream = fopen(file, "w") else { throw CannotPrepare() }
        fputs(text, stream)
        fclose(stream)
    }
}

/// A socket bound to a path, as an end that the tests script.
final class BoundSocket {
    let descriptor: Int32

    /// A datagram socket is ready at once; a stream socket listens if a backlog is given.
    init(path: String, type: __socket_type, backlog: Int32? = nil) throws {
        descriptor = socket(AF_UNIX, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0 else { throw CannotPrepare() }
        if let backlog { listen(descriptor, backlog) }
    }

    deinit { close(descriptor) }

    /// The datagram that waits; nil if none does.
    func receive() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return count < 0 ? nil : Array(buffer[..<count])
    }

    /// Everything that waits.
    func receiveAll() -> [[UInt8]] {
        var all: [[UInt8]] = []
        while let datagram = receive() { all.append(datagram) }
        return all
    }
}

/// One client of a stream socket, which never waits.
final class Peer {
    private let descriptor: Int32
    /// All that came so far.
    private(set) var received: [UInt8] = []
    /// True once the other side has hung up.
    private(set) var isOver = false

    init(path: String) throws {
        guard let descriptor = LocalSocket.connect(path: path) else { throw CannotPrepare() }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    var text: String { String(decoding: received, as: UTF8.self) }

    @discardableResult
    func say(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// Ends our half only: the answer may still come.
    func endRequest() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Takes what is there.
    func listen() {
        var block = [UInt8](repeating: 0, count: 65536)
        while !isOver {
            let count = read(descriptor, &block, block.count)
            if count > 0 {
                received += block[..<count]
            } else if count == 0 || errno != EAGAIN {
                isOver = true
            } else {
                return
            }
        }
    }
}

/// Runs the body on a thread of its own: it may block without holding up other tests.
func onThread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
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

/// An event loop that leaves the test process's signals alone.
func quietLoop() throws -> EventLoop {
    var before = sigset_t()
    pthread_sigmask(SIG_BLOCK, nil, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    return try EventLoop()
}
