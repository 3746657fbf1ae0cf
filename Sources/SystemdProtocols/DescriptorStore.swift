import CLinux
import CSystemd
import Glibc

/// systemd's store of descriptors for a service (`FileDescriptorStoreMax=`): what it holds survives the process.
///
/// Several descriptors go under one name, in one message. Its socket is connected, because only then poll(2) waits for
/// room: what is to be kept must not be dropped because systemd is busy.
public final class DescriptorStore {
    /// How long systemd may take to make room for one message.
    private static let patienceMilliseconds: Int32 = 1000

    private let socket: Int32

    /// Nil where no service manager is told anything.
    public convenience init?() {
        guard let path = getenv("NOTIFY_SOCKET") else { return nil }
        self.init(path: String(cString: path))
    }

    /// Nil if nobody listens there.
    init?(path: String) {
        guard path.hasPrefix("/") || path.hasPrefix("@") else { return nil }
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        socket = Glibc.socket(AF_UNIX, type, 0)
        guard socket >= 0 else { return nil }
        guard Self.connect(socket, to: path) else {
            close(socket)
            return nil
        }
    }

    deinit { close(socket) }

    private static func connect(_ socket: Int32, to path: String) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            bytes.copyBytes(from: path.utf8)
            if path.hasPrefix("@") { bytes[0] = 0 }
        }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + path.utf8.count + (path.hasPrefix("@") ? 0 : 1))
        return withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(socket, $0, length) == 0 }
        }
    }

    /// Has the descriptors kept under a name; false if systemd could not be told.
    ///
    /// Those that it has already, under whatever name, it does not take again.
    public func keep(_ descriptors: [Int32], as name: String) -> Bool {
        // Without FDPOLL=0 systemd would drop what hangs up.
        send("FDSTORE=1\nFDNAME=\(name)\nFDPOLL=0", with: descriptors)
    }

    /// Has all that is kept under a name let go.
    public func discard(_ name: String) { _ = send("FDSTOREREMOVE=1\nFDNAME=\(name)", with: []) }

    /// True if systemd is about to let go of everything, because the service is stopped for good, and not restarted.
    ///
    /// Asked on the system bus; where there is none, or no answer within a second, it is taken for a restart. A signal
    /// that nobody at systemd has asked for is the end, as systemd does not start what ended well.
    public static var isStoppedForGood: Bool {
        guard let type = na_job_type() else { return false }
        defer { free(type) }
        return !["restart", "try-restart"].contains(String(cString: type))
    }

    private func send(_ text: String, with descriptors: [Int32]) -> Bool {
        let bytes = Array(text.utf8)
        while true {
            let failure =
                descriptors.isEmpty
                ? (Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) < 0 ? errno : 0)
                : na_send_rights(socket, bytes, bytes.count, descriptors, descriptors.count)
            switch failure {
            case 0: return true
            case EINTR: continue
            case EAGAIN, ENOBUFS:
                var request = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
                if poll(&request, 1, Self.patienceMilliseconds) <= 0 { return false }
            default: return false
            }
        }
    }

    /// What systemd passes to this process out of the store, by name; each descriptor is the caller's to close.
    ///
    /// May be asked once: the environment is cleared for children.
    public static func inherited() -> [String: [Int32]] {
        var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        let count = sd_listen_fds_with_names(1, &names)
        guard count > 0, let names else { return [:] }
        defer { free(names) }
        return byName(
            (0..<Int(count)).map { index in
                defer { free(names[index]) }
                return names[index].map { String(cString: $0) } ?? ""
            })
    }

    /// The descriptors that come with these names, in their order.
    static func byName(_ names: [String]) -> [String: [Int32]] {
        var found: [String: [Int32]] = [:]
        for (index, name) in names.enumerated() {
            found[name, default: []].append(SD_LISTEN_FDS_START + Int32(index))
        }
        return found
    }
}
