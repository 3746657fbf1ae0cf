import Glibc

/// Why the daemon could not be asked.
public struct ControlFailure: Error, CustomStringConvertible {
    /// A sentence with the path and what to do.
    public let description: String
    /// Set where only the permission is missing.
    public let isPermission: Bool

    init(_ text: String, isPermission: Bool = false) {
        description = text
        self.isPermission = isPermission
    }
}

/// Asks a running netanomalyd over its control socket: one line, one answer.
public struct ControlClient {
    /// Where the daemon listens unless told otherwise.
    public static let defaultPath = "/run/netanomaly/control"
    /// A daemon that takes longer is in trouble.
    private static let defaultTimeoutMilliseconds = 10_000
    /// Bytes of an answer that are read; a status report has some 10,000.
    private static let maxAnswerBytes = 4 << 20

    private let path: String
    private let timeoutMilliseconds: Int

    /// Names the socket; nothing is opened yet.
    public init(path: String = ControlClient.defaultPath) {
        self.init(path: path, timeoutMilliseconds: Self.defaultTimeoutMilliseconds)
    }

    init(path: String, timeoutMilliseconds: Int) {
        self.path = path
        self.timeoutMilliseconds = timeoutMilliseconds
    }

    /// Sends a request line and returns the answer without its last newline.
    public func ask(_ request: String) throws(ControlFailure) -> String {
        let descriptor = try connect()
        defer { close(descriptor) }
        let line = Array((request + "\n").utf8)
        guard send(descriptor, line, line.count, Int32(MSG_NOSIGNAL)) == line.count else {
            throw ControlFailure("Cannot ask netanomalyd on \(path): \(errorText())")
        }
        return try readAnswer(descriptor)
    }

    private func connect() throws(ControlFailure) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw ControlFailure("\(path): a socket's path has at most 107 bytes")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw ControlFailure("Cannot create a socket: \(errorText())") }
        var limit = timeval(tv_sec: timeoutMilliseconds / 1000, tv_usec: timeoutMilliseconds % 1000 * 1000)
        // connect(2) waits too, while too many others do.
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        let connected = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if connected == 0 { return descriptor }
        let failure = errno
        close(descriptor)
        throw unreachable(failure)
    }

    private func unreachable(_ failure: Int32) -> ControlFailure {
        let reason = String(cString: strerror(failure))
        switch failure {
        case EACCES, EPERM:
            return ControlFailure(
                "Not permitted to use \(path): run as root or as the daemon's user", isPermission: true)
        case ENOENT, ECONNREFUSED:
            return ControlFailure(
                "No netanomalyd answers on \(path) (\(reason)): start it with 'systemctl start netanomalyd', "
                    + "or name its socket with --control")
        case EAGAIN:
            return ControlFailure("netanomalyd on \(path) is too busy to answer: try again")
        default:
            return ControlFailure("Cannot connect to \(path): \(reason)")
        }
    }

    private func readAnswer(_ descriptor: Int32) throws(ControlFailure) -> String {
        var answer: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 16384)
        while answer.count < Self.maxAnswerBytes {
            let count = read(descriptor, &block, block.count)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                throw ControlFailure("netanomalyd on \(path) gave no answer in \(timeoutMilliseconds) ms")
            }
            // ECONNRESET: it hung up without having read the request, as it does when it has too many clients.
            guard count > 0 else { break }
            answer += block[..<count]
        }
        if answer.last == UInt8(ascii: "\n") { return String(decoding: answer.dropLast(), as: UTF8.self) }
        if answer.isEmpty {
            throw ControlFailure("netanomalyd on \(path) hung up: it has too many clients, or is about to stop")
        }
        if answer.count >= Self.maxAnswerBytes {
            throw ControlFailure("netanomalyd on \(path) gives an answer without end")
        }
        throw ControlFailure("netanomalyd on \(path) broke off its answer")
    }

    private func errorText() -> String { String(cString: strerror(errno)) }
}
