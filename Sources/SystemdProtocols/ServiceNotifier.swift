import CLinux
import CSystemd
import Glibc

/// Tells systemd how the service is (sd_notify(3)); says nothing where there is no `$NOTIFY_SOCKET`.
///
/// The datagrams are our own: libsystemd's sd_notify() waits without end for a service manager that does not read, and
/// that would stop the event loop. A state that could not be told is told again from the loop; pings and status texts
/// are dropped, the next ones say more.
public struct ServiceNotifier {
    /// Pause before an untold state is tried again.
    public static let retryNanoseconds: UInt64 = 100_000_000

    /// `WatchdogSec=` in microseconds; nil if systemd does not watch this process.
    public let watchdogIntervalMicroseconds: UInt64?
    private let socket: NotifySocket?
    /// States that systemd has not taken yet, oldest first: at most one of each kind.
    private var untold: [String] = []

    /// Reads what systemd expects from the environment.
    public init() {
        var interval: UInt64 = 0
        watchdogIntervalMicroseconds = sd_watchdog_enabled(0, &interval) > 0 ? interval : nil
        socket = getenv("NOTIFY_SOCKET").flatMap { NotifySocket(path: String(cString: $0)) }
    }

    /// True while a state waits to be told: `retry` should be called every `retryNanoseconds`.
    public var needsRetry: Bool { !untold.isEmpty }

    /// Start or reload is complete.
    public mutating func ready(status: String) { tell("READY=1", status) }

    /// A reload begins; `ready` must follow on every way out.
    ///
    /// - Parameters:
    ///   - status: The line that `systemctl status` shows.
    ///   - monotonicMicroseconds: CLOCK_MONOTONIC; systemd from 253 on fails the reload without it.
    public mutating func reloading(status: String, monotonicMicroseconds: UInt64) {
        tell("RELOADING=1\nMONOTONIC_USEC=\(monotonicMicroseconds)", status)
    }

    /// The line that `systemctl status` shows.
    public func status(_ text: String) { _ = socket?.send(Self.line(text)) }

    /// The service is about to end.
    public mutating func stopping(status: String) { tell("STOPPING=1", status) }

    /// Asks for more time to start, from now on: bpftrace may need more than systemd gives.
    public func extendStart(microseconds: UInt64) { _ = socket?.send("EXTEND_TIMEOUT_USEC=\(microseconds)") }

    /// Proof of progress, from the event loop.
    public func watchdog() { _ = socket?.send("WATCHDOG=1") }

    /// Tells what systemd did not take before.
    public mutating func retry() {
        while let state = untold.first, socket?.send(state) ?? true { untold.removeFirst() }
    }

    /// One datagram for state and status, since systemd acts on each by itself.
    private mutating func tell(_ state: String, _ status: String) {
        untold.removeAll { $0.hasPrefix(state.prefix { $0 != "\n" }) }
        untold.append(state + "\n" + Self.line(status))
        retry()
    }

    /// A newline would begin another variable.
    private static func line(_ status: String) -> String {
        "STATUS=" + String(String.UnicodeScalarView(status.unicodeScalars.map { $0.value < 0x20 ? " " : $0 }))
    }
}

/// The datagram socket behind `$NOTIFY_SOCKET`; never blocks.
private final class NotifySocket: Sendable {
    private let descriptor: Int32
    private let path: String

    /// - Parameter path: An absolute path, or `@` and an abstract name.
    init?(path: String) {
        guard path.hasPrefix("/") || path.hasPrefix("@") else { return nil }
        self.path = path
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        descriptor = Glibc.socket(AF_UNIX, type, 0)
        if descriptor < 0 { return nil }
    }

    deinit { close(descriptor) }

    /// False if the receiver has no room now; anything else is final, there is nobody to tell.
    func send(_ text: String) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return true }
        withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            bytes.copyBytes(from: path.utf8)
            if path.hasPrefix("@") { bytes[0] = 0 }
        }
        // An abstract name has no end but the address's length.
        let length = socklen_t(MemoryLayout<sa_family_t>.size + path.utf8.count + (path.hasPrefix("@") ? 0 : 1))
        let bytes = Array(text.utf8)
        let sent = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
        return sent >= 0 || (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
    }
}
