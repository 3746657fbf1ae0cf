import AnomalyModel
import Glibc
import Testing

@testable import NetAnomalyDaemon
@testable import SystemdProtocols

/// `_IOW('T', 0x31, int)` and `_IOR('T', 0x30, unsigned int)` of asm-generic/ioctls.h, which Swift does not import.
private let tiocsptlck: UInt = 0x4004_5431
private let tiocgptn: UInt = 0x8004_5430

/// Both ends of a pipe in blocking mode, as a shell would set it up.
private final class Pipe {
    private(set) var reader: Int32 = -1
    private(set) var writer: Int32 = -1

    init() {
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0, "no pipe")
        reader = ends[0]
        writer = ends[1]
    }

    deinit {
        closeReader()
        close(writer)
    }

    func closeReader() {
        if reader >= 0 { close(reader) }
        reader = -1
    }

    /// What is in the pipe, at most `limit` bytes; reads nothing from an empty one.
    func drain(_ limit: Int) -> [UInt8] {
        var request = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
        guard poll(&request, 1, 0) == 1 else { return [] }
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = buffer.withUnsafeMutableBytes { read(reader, $0.baseAddress, $0.count) }
        return Array(buffer[..<max(0, count)])
    }
}

extension RecordTransport {
    /// Sends bytes that are in no queue.
    fileprivate func send(_ bytes: [UInt8]) throws -> SendOutcome {
        let memory = try StateMemory()
        return bytes.withUnsafeBytes { send(memory.outgoing($0, receipt: 0)) }
    }
}

@Suite struct StreamTransportTests {
    private let pipe = Pipe()

    private func transport(_ descriptor: Int32) -> StreamTransport {
        StreamTransport(descriptor: descriptor) { record, bytes in JSONLine.append(record, to: &bytes) }
    }

    private func encoded(_ record: Record, by transport: StreamTransport) -> [UInt8] {
        var bytes: [UInt8] = []
        transport.encode(record, into: &bytes)
        return bytes
    }

    @Test func `a record is written at once`() throws {
        let transport = transport(pipe.writer)
        let bytes = encoded(arpConflict, by: transport)
        #expect(try transport.send(bytes) == .sent)
        #expect(pipe.drain(100_000) == bytes)
    }

    @Test func `a full blocking pipe blocks nobody, and the rest of a record follows where it stopped`() throws {
        let transport = transport(pipe.writer)
        // Larger than the pipe (64 KiB), so it has to be interrupted in its middle.
        let large = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 % 251) }
        #expect(try transport.send(large) == .wouldBlock)
        #expect(fcntl(pipe.writer, F_GETFL) & O_NONBLOCK == 0)
        var received: [UInt8] = []
        var outcome = SendOutcome.wouldBlock
        for _ in 0..<1000 where outcome == .wouldBlock {
            received += pipe.drain(10_000)
            outcome = try transport.send(large)
        }
        received += pipe.drain(200_000)
        #expect(outcome == .sent)
        #expect(received == large)
    }

    @Test func `a reader that has gone is told from one that is slow`() throws {
        let transport = transport(pipe.writer)
        #expect(try transport.send([0x41, 0x0a]) == .sent)
        pipe.closeReader()
        #expect(try transport.send([0x41, 0x0a]) == .readerGone)
    }

    @Test func `a regular file takes everything`() throws {
        let file = try #require(tmpfile())
        defer { fclose(file) }
        let transport = transport(fileno(file))
        let large = [UInt8](repeating: 0x41, count: 1_000_000)
        #expect(try transport.send(large) == .sent)
        #expect(lseek(fileno(file), 0, SEEK_CUR) == 1_000_000)
    }

    @Test func `a full disk is waited for`() throws {
        let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
        defer { close(full) }
        #expect(try transport(full).send([0x41]) == .unreachable(ENOSPC))
    }

    @Test func `a terminal that is not read blocks nobody`() throws {
        let master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        defer { close(master) }
        var unlocked: Int32 = 0
        var number: UInt32 = 0
        #expect(ioctl(master, tiocsptlck, &unlocked) == 0)
        #expect(ioctl(master, tiocgptn, &number) == 0)
        let terminal = open("/dev/pts/\(number)", O_WRONLY | O_NOCTTY | O_CLOEXEC)
        defer { close(terminal) }
        let transport = transport(terminal)
        let line = encoded(gsoMismatch, by: transport)
        var outcomes: [SendOutcome] = []
        for _ in 0..<1000 where outcomes.last != .wouldBlock { outcomes.append(try transport.send(line)) }
        #expect(outcomes.first == .sent)
        #expect(outcomes.last == .wouldBlock)
        #expect(transport.descriptor != terminal)
        #expect(fcntl(terminal, F_GETFL) & O_NONBLOCK == 0)
    }

    @Test func `through the queue a slow reader gets every line in order`() throws {
        var queue = RecordQueue(transport: transport(pipe.writer), memory: try StateMemory())
        for _ in 0..<500 { queue.enqueue(gsoMismatch, now: 0) }
        #expect(queue.wantsWritable)
        var received: [UInt8] = []
        for _ in 0..<1000 where queue.waiting > 0 {
            received += pipe.drain(5000)
            queue.flush(now: 1)
        }
        received += pipe.drain(1_000_000)
        let line = encoded(gsoMismatch, by: transport(pipe.writer))
        #expect(received == Array(repeatElement(line, count: 500).joined()))
        #expect(queue.losses.isEmpty)
    }
}
