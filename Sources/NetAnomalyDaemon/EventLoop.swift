import CLinux
import Glibc

/// Waits for descriptors and signals; one thread, no timer of its own.
///
/// Whoever has a deadline passes the earliest to `wait`. With none, an idle daemon is never woken.
final class EventLoop {
    /// Most events taken from one wait; more stay for the next.
    private static let batch = 16

    enum Wake: Equatable {
        case readable(Int32)
        case writable(Int32)
        case signal(Int32)
    }

    private let epoll: Int32
    private let signals: Int32

    /// Takes over the signals that steer the daemon; must be called before anything may send them.
    init() throws(SystemError) {
        // A reader of our output may go at any time; write(2) says so.
        signal(SIGPIPE, SIG_IGN)
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGHUP, SIGTERM, SIGINT] { sigaddset(&set, number) }
        sigprocmask(SIG_BLOCK, &set, nil)
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        signals = signalfd(-1, &set, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
        guard epoll >= 0, signals >= 0 else { throw SystemError("create the event loop") }
        watch(signals)
    }

    deinit {
        close(epoll)
        close(signals)
    }

    /// Reports the descriptor as readable, or writable too, until `forget` or until it is closed.
    func watch(_ descriptor: Int32, writable: Bool = false, readable: Bool = true) {
        var event = epoll_event()
        event.events = (readable ? EPOLLIN.rawValue : 0) | (writable ? EPOLLOUT.rawValue : 0)
        event.data.fd = descriptor
        if epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event) != 0 {
            epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event)
        }
    }

    /// Stops reporting the descriptor.
    func forget(_ descriptor: Int32) {
        var event = epoll_event()
        epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, &event)
    }

    /// Waits until something happens or the deadline (CLOCK_BOOTTIME) passes.
    func wait(until deadline: UInt64?, now: UInt64) -> [Wake] {
        var events = [epoll_event](repeating: epoll_event(), count: Self.batch)
        let count = epoll_wait(epoll, &events, Int32(events.count), Self.milliseconds(until: deadline, now: now))
        guard count > 0 else { return [] }
        return events[..<Int(count)].flatMap { event -> [Wake] in
            if event.data.fd == signals { return takeSignals() }
            let isWritable = event.events & EPOLLOUT.rawValue != 0
            // Errors and hang-ups show when reading.
            let isReadable = event.events & ~EPOLLOUT.rawValue != 0
            return (isReadable ? [.readable(event.data.fd)] : []) + (isWritable ? [.writable(event.data.fd)] : [])
        }
    }

    /// Waits until the descriptor, if there is one, takes more or the deadline (CLOCK_BOOTTIME) passes.
    static func waitWritable(_ descriptor: Int32?, until deadline: UInt64, now: UInt64) {
        // poll(2) passes over a negative descriptor.
        var request = pollfd(fd: descriptor ?? -1, events: Int16(POLLOUT), revents: 0)
        poll(&request, 1, milliseconds(until: deadline, now: now))
    }

    /// Rounded up, so that the deadline has passed when the wait ends; -1 waits without end.
    static func milliseconds(until deadline: UInt64?, now: UInt64) -> Int32 {
        guard let deadline else { return -1 }
        guard deadline > now else { return 0 }
        return Int32(clamping: (deadline - now) / 1_000_000 + 1)
    }

    private func takeSignals() -> [Wake] {
        var taken: [Wake] = []
        var info = signalfd_siginfo()
        while read(signals, &info, MemoryLayout<signalfd_siginfo>.size) == MemoryLayout<signalfd_siginfo>.size {
            taken.append(.signal(Int32(info.ssi_signo)))
        }
        return taken
    }
}

/// A system call that failed.
struct SystemError: Error, CustomStringConvertible {
    let description: String

    /// Reads errno: make it right after the call.
    init(_ what: String) {
        description = "Cannot \(what): \(String(cString: strerror(errno)))"
    }

    /// Says it in another failure's words.
    init(_ failure: some Error & CustomStringConvertible) { description = failure.description }
}
