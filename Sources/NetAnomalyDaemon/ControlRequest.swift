import Glibc

/// One question to a running daemon over its control socket, for `--reload`.
enum ControlRequest {
    /// A reload reads a few files; a daemon that takes longer is in trouble.
    static let timeoutMilliseconds: Int32 = 30_000
    /// Bytes of an answer that are read: all problems a refused reload may list.
    private static let maxAnswerBytes = 1 << 20

    /// The answer, without its newline; nil with errno set when there is no daemon or it says nothing in time.
    static func ask(
        _ request: String, path: String, timeoutMilliseconds: Int32 = timeoutMilliseconds
    ) -> String? {
        guard let descriptor = LocalSocket.connect(path: path) else { return nil }
        defer {
            let failure = errno
            close(descriptor)
            errno = failure
        }
        let line = Array((request + "\n").utf8)
        guard send(descriptor, line, line.count, Int32(MSG_NOSIGNAL)) == line.count else { return nil }
        var answer: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 4096)
        while answer.count < maxAnswerBytes {
            var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&request, 1, timeoutMilliseconds)
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else {
                errno = ETIMEDOUT
                return nil
            }
            let count = read(descriptor, &block, block.count)
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else { break }
            answer += block[..<count]
        }
        guard answer.last == UInt8(ascii: "\n") else {
            errno = EPROTO
            return nil
        }
        return String(decoding: answer.dropLast(), as: UTF8.self)
    }
}
