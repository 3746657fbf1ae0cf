import AnomalyModel
import Glibc
import SystemdProtocols

/// Writes rendered records to a terminal, pipe or file without ever waiting for it.
///
/// The descriptor came from outside and other processes may share it, so its O_NONBLOCK is left alone: poll(2) is asked
/// before every write, and no write is longer than PIPE_BUF, which a pipe that is ready takes whole. A terminal may
/// be ready for less than that; it is opened anew, where permitted, without blocking.
///
/// SIGPIPE has to be ignored: a reader can go between the poll and the write.
final class StreamTransport: RecordTransport {
    /// Appends one record as it should appear.
    typealias Renderer = (Record, inout [UInt8]) -> Void

    let descriptor: Int32
    private let isOwned: Bool
    private let render: Renderer
    /// Bytes of the present record that are out already.
    private var written = 0

    init(descriptor: Int32, render: @escaping Renderer) {
        let flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
        let own = isatty(descriptor) == 1 ? open("/proc/self/fd/\(descriptor)", flags) : -1
        isOwned = own >= 0
        self.descriptor = isOwned ? own : descriptor
        self.render = render
    }

    deinit { if isOwned { close(descriptor) } }

    func encode(_ record: Record, into bytes: inout [UInt8]) {
        render(record, &bytes)
    }

    func send(_ record: OutgoingRecord) -> SendOutcome {
        let bytes = record.bytes
        while written < bytes.count {
            if let obstacle = obstacle() { return obstacle }
            let end = min(bytes.count, written + Int(PIPE_BUF))
            let count = write(descriptor, bytes.baseAddress.map { $0 + written }, end - written)
            if count >= 0 {
                written += count
            } else if errno != EINTR {
                return Self.outcome(of: errno)
            }
        }
        written = 0
        return .sent
    }

    /// What poll(2) has against writing now; it is always content with a regular file.
    private func obstacle() -> SendOutcome? {
        var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let ready = poll(&request, 1, 0)
        if ready == 0 || (ready < 0 && errno == EINTR) { return .wouldBlock }
        if ready < 0 { return .unreachable(errno) }
        let gone = Int16(POLLERR) | Int16(POLLHUP) | Int16(POLLNVAL)
        return request.revents & gone != 0 ? .readerGone : nil
    }

    private static func outcome(of failure: Int32) -> SendOutcome {
        switch failure {
        case EAGAIN: .wouldBlock
        // EIO: the terminal was hung up.
        case EPIPE, ECONNRESET, EIO, EBADF: .readerGone
        // ENOSPC and the like pass.
        default: .unreachable(failure)
        }
    }
}
