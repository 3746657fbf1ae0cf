import Glibc

/// The operator's way in: a stream socket, one request line, one answer, then it is closed.
///
/// Never waits for a client. What clients can make it hold is bounded: so many at once, so long a request, so long a
/// time; beyond that they are turned away.
final class ControlSocket {
    /// Clients at once: an operator, a few scripts, a monitoring agent.
    static let maxClients = 16
    /// Bytes of a request: far more than any has.
    static let maxRequestBytes = 256
    /// Time for a client to ask and to read its answer.
    static let clientNanoseconds: UInt64 = 5_000_000_000

    /// Until a free descriptor is looked for again.
    static let pauseNanoseconds: UInt64 = 1_000_000_000

    private struct Client {
        var request: [UInt8] = []
        var answer: [UInt8]?
        var sent = 0
        var deadline: UInt64
    }

    private let path: String
    private let loop: EventLoop
    private let listener: Int32
    /// The bound file, so that another daemon's is not removed in its place.
    private let identity: LocalSocket.Identity?
    private var clients: [Int32: Client] = [:]
    /// Set while no descriptor is free for another client: the listener would only wake the loop in vain.
    private var pausedUntil: UInt64?

    /// Binds the path; a socket left behind by a dead process is replaced, a living one is not.
    init(path: String, loop: EventLoop) throws(SystemError) {
        self.path = path
        self.loop = loop
        listener = try LocalSocket.listen(path: path, backlog: Int32(Self.maxClients))
        identity = LocalSocket.identity(of: path)
        loop.watch(listener)
    }

    deinit {
        if identity != nil, LocalSocket.identity(of: path) == identity { unlink(path) }
        close(listener)
        clients.keys.forEach { close($0) }
    }

    /// When the next client has used up its time, CLOCK_BOOTTIME.
    var nextDeadline: UInt64? { (clients.values.map(\.deadline) + [pausedUntil].compactMap(\.self)).min() }

    /// True if the descriptor is one of this socket's.
    func owns(_ descriptor: Int32) -> Bool { descriptor == listener || clients[descriptor] != nil }

    /// Takes what a descriptor has; `answer` is called with a complete request line.
    func readable(_ descriptor: Int32, now: UInt64, answer: (String) -> String) {
        if descriptor == listener { return accept(now: now) }
        guard var client = clients[descriptor], client.answer == nil else { return drop(descriptor) }
        var block = [UInt8](repeating: 0, count: Self.maxRequestBytes)
        let count = read(descriptor, &block, block.count)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { return drop(descriptor) }
        client.request += block[..<count]
        if let end = client.request.firstIndex(of: UInt8(ascii: "\n")) {
            let request = String(decoding: client.request[..<end], as: UTF8.self)
            client.answer = Array((answer(request) + "\n").utf8)
            clients[descriptor] = client
            writable(descriptor)
        } else if client.request.count > Self.maxRequestBytes {
            drop(descriptor)
        } else {
            clients[descriptor] = client
        }
    }

    /// Sends more of an answer.
    func writable(_ descriptor: Int32) {
        guard var client = clients[descriptor], let answer = client.answer else { return }
        while client.sent < answer.count {
            let part = Array(answer[client.sent...])
            let count = send(descriptor, part, part.count, Int32(MSG_NOSIGNAL))
            if count < 0, errno == EAGAIN {
                clients[descriptor] = client
                return loop.watch(descriptor, writable: true, readable: false)
            }
            if count < 0, errno != EINTR { return drop(descriptor) }
            client.sent += max(0, count)
        }
        drop(descriptor)
    }

    /// Turns away clients whose time is up.
    func expire(now: UInt64) {
        for (descriptor, client) in clients where client.deadline <= now { drop(descriptor) }
        if let end = pausedUntil, end <= now {
            pausedUntil = nil
            loop.watch(listener)
        }
    }

    private func accept(now: UInt64) {
        // Not until there are none: somebody who connects faster than we accept would keep us here.
        for _ in 0..<Self.maxClients {
            let client = Glibc.accept(listener, nil, nil)
            guard client >= 0 else { return errno == EMFILE || errno == ENFILE ? pause(now: now) : () }
            guard clients.count < Self.maxClients, fcntl(client, F_SETFL, O_NONBLOCK) == 0,
                fcntl(client, F_SETFD, FD_CLOEXEC) == 0
            else {
                close(client)
                continue
            }
            clients[client] = Client(deadline: now + Self.clientNanoseconds)
            loop.watch(client)
        }
    }

    private func pause(now: UInt64) {
        pausedUntil = now + Self.pauseNanoseconds
        loop.forget(listener)
    }

    private func drop(_ descriptor: Int32) {
        clients[descriptor] = nil
        close(descriptor)
    }
}
