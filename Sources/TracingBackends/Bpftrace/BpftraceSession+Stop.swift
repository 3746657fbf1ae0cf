import CLinux
import Glibc

extension BpftraceSession {
    /// Waits until all of these, which have been asked to stop, are idle; for the daemon's own end.
    ///
    /// They are waited for together, so that none is cut short because another takes long.
    ///
    /// - Parameter deadline: CLOCK_BOOTTIME; what runs still is killed then.
    public static func drain(_ sessions: [BpftraceSession], until deadline: UInt64) {
        while true {
            let now = clock()
            let busy = sessions.filter { $0.state != .idle }
            if busy.isEmpty { return }
            if now >= deadline { busy.forEach { $0.child?.signal(SIGKILL) } }
            // A killed process takes a moment to go.
            if now >= deadline + killNanoseconds { return }
            let next = busy.compactMap(\.nextDeadline) + [now < deadline ? deadline : deadline + killNanoseconds]
            var requests = busy.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            let wait = max(next.min() ?? now, now) - now
            // Rounded up, so that the deadline has passed.
            poll(&requests, nfds_t(requests.count), Int32(clamping: wait / 1_000_000 + 1))
            let woken = clock()
            for session in busy {
                session.readable(now: woken)
                session.tick(now: woken)
            }
        }
    }

    /// Takes what these have to say until they pause, for the time before they are asked to stop.
    ///
    /// bpftrace 0.17 throws away what it has not printed when the signal comes.
    public static func listen(to sessions: [BpftraceSession]) {
        let deadline = clock() + listenNanoseconds
        var heardAt = clock()
        while true {
            let now = clock()
            let quietAt = min(heardAt + pauseNanoseconds, deadline)
            guard now < quietAt else { return }
            var requests = sessions.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            if poll(&requests, nfds_t(requests.count), Int32(clamping: (quietAt - now) / 1_000_000 + 1)) <= 0 { return }
            heardAt = clock()
            for session in sessions { session.readable(now: heardAt) }
        }
    }

    /// A pause is as long as bpftrace sleeps when its buffers are empty, ten times over.
    private static let pauseNanoseconds: UInt64 = 50_000_000
    /// A flood has no pause.
    private static let listenNanoseconds: UInt64 = 300_000_000
    private static let killNanoseconds: UInt64 = 1_000_000_000

    private static func clock() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
