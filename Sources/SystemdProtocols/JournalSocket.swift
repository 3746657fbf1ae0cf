public import AnomalyModel
import CLinux
import Glibc

/// A connected, non-blocking datagram socket to journald.
///
/// Not libsystemd's sender: that one blocks on a hung journald without a timeout, and reports success when there is no
/// socket at all. Connected, because only then poll(2) waits for the receiver's queue. When journald was restarted and
/// bound a new socket, the same descriptor is connected again, so it never changes for the event loop.
public final class JournalSocket: RecordTransport {
    /// Where journald listens.
    public static let defaultPath = "/run/systemd/journal/socket"

    /// What is asked for as SO_SNDBUF, as libsystemd does: some 500 entries in flight instead of 170.
    ///
    /// The kernel grants an unprivileged process at most net.core.wmem_max.
    public static let sendBufferBytes: Int32 = 8 * 1024 * 1024

    /// Why there is no socket.
    public struct OpenFailure: Error, CustomStringConvertible {
        /// From socket(2), or ENAMETOOLONG for a path that no AF_UNIX socket can have.
        public let errno: Int32
        /// Where it should have led.
        public let path: String

        /// The sentence.
        public var description: String {
            "Cannot open a socket for the journal at \(path): \(String(cString: strerror(errno)))."
        }
    }

    /// What send(2) says when journald has let go of the socket we are connected to.
    private static let receiverGone = [ENOTCONN, ECONNREFUSED, ENOENT, EPIPE, ECONNRESET]

    /// Stays the same over reconnections.
    public let descriptor: Int32
    private let address: UnixAddress
    private var isConnected: Bool
    private var encoder = JournalEncoder()

    /// Opens the socket, and connects it if journald is there already.
    public init(path: String = JournalSocket.defaultPath) throws(OpenFailure) {
        guard let address = UnixAddress(path: path) else { throw OpenFailure(errno: ENAMETOOLONG, path: path) }
        let descriptor = Self.openSocket()
        guard descriptor >= 0 else { throw OpenFailure(errno: errno, path: path) }
        self.address = address
        self.descriptor = descriptor
        isConnected = address.connect(descriptor)
        var size = Self.sendBufferBytes
        let length = socklen_t(MemoryLayout<Int32>.size)
        // The first needs CAP_NET_ADMIN, which the hardened service does not have.
        if setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &size, length) != 0 {
            setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, length)
        }
    }

    deinit { close(descriptor) }

    /// True if something listens at the path: how `--output auto` finds out whether there is a journal.
    public static func answers(path: String = JournalSocket.defaultPath) -> Bool {
        guard let address = UnixAddress(path: path) else { return false }
        let descriptor = openSocket()
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return address.connect(descriptor)
    }

    /// Appends the entry in the native protocol.
    public func encode(_ record: Record, into bytes: inout [UInt8]) {
        encoder.encode(record.fields)
        bytes.append(contentsOf: encoder.bytes)
    }

    /// Sends one entry; if the receiver is gone, connects again once and repeats.
    public func send(_ record: OutgoingRecord) -> SendOutcome {
        if !isConnected {
            isConnected = address.connect(descriptor)
            if !isConnected { return .unreachable(errno) }
        }
        var failure = record.send(to: descriptor)
        if Self.receiverGone.contains(failure) {
            isConnected = address.connect(descriptor)
            if !isConnected { return .unreachable(errno) }
            failure = record.send(to: descriptor)
        }
        return switch failure {
        case 0: .sent
        case EAGAIN: .wouldBlock
        case EMSGSIZE, EINVAL: .refused(failure)
        default: .unreachable(failure)
        }
    }

    private static func openSocket() -> Int32 {
        let type = SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        return socket(AF_UNIX, Int32(type), 0)
    }
}

/// The address of a socket in the file system.
private struct UnixAddress {
    private var address = sockaddr_un()

    /// Nil for a path that does not fit into `sun_path` with its final zero.
    init?(path: String) {
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, !bytes.contains(0), bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            return nil
        }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    }

    /// True on success, else errno says why; never waits, since a datagram socket needs no answer.
    func connect(_ descriptor: Int32) -> Bool {
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }
}
