import AnomalyModel
import Glibc
import Testing

@testable import SystemdProtocols

@Suite struct JournalSocketTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.path + "/socket" }

    init() throws { directory = try TemporaryDirectory() }

    private func encoded(_ number: Int, by socket: JournalSocket) -> [UInt8] {
        var bytes: [UInt8] = []
        socket.encode(record(number), into: &bytes)
        return bytes
    }

    @Test func `an entry arrives as one datagram`() throws {
        let receiver = Receiver(path: path)
        let socket = try JournalSocket(path: path)
        #expect(try socket.send(encoded(1, by: socket)) == .sent)
        let datagram = try #require(receiver.receive())
        #expect(try decodeEntry(datagram) == record(1).fields)
        #expect(receiver.receive() == nil)
    }

    @Test func `a hung receiver blocks nobody and can be waited for`() throws {
        let receiver = Receiver(path: path)
        let socket = try JournalSocket(path: path)
        var sent = 0
        while sent < 100_000, try socket.send(encoded(sent, by: socket)) == .sent { sent += 1 }
        #expect(sent > 0 && sent < 100_000)
        #expect(try socket.send(encoded(sent, by: socket)) == .wouldBlock)
        #expect(!isWritable(socket.descriptor))
        #expect(try receiver.receiveNumbers() == Array(0..<sent))
        #expect(isWritable(socket.descriptor))
        #expect(try socket.send(encoded(sent, by: socket)) == .sent)
    }

    @Test func `a receiver bound anew is found again by the same descriptor`() throws {
        var receiver: Receiver? = Receiver(path: path)
        let socket = try JournalSocket(path: path)
        let descriptor = socket.descriptor
        #expect(try socket.send(encoded(1, by: socket)) == .sent)
        receiver = nil
        let second = Receiver(path: path)
        #expect(try socket.send(encoded(2, by: socket)) == .sent)
        #expect(socket.descriptor == descriptor)
        #expect(try second.receiveNumbers() == [2])
        #expect(receiver == nil)
    }

    @Test func `a receiver that is gone is named with its error`() throws {
        var receiver: Receiver? = Receiver(path: path)
        let socket = try JournalSocket(path: path)
        #expect(try socket.send(encoded(1, by: socket)) == .sent)
        receiver = nil
        #expect(try socket.send(encoded(2, by: socket)) == .unreachable(ECONNREFUSED))
        unlink(path)
        #expect(try socket.send(encoded(2, by: socket)) == .unreachable(ENOENT))
        #expect(receiver == nil)
    }

    @Test func `a receiver that comes later is found`() throws {
        let socket = try JournalSocket(path: path)
        #expect(try socket.send(encoded(1, by: socket)) == .unreachable(ENOENT))
        let receiver = Receiver(path: path)
        #expect(try socket.send(encoded(2, by: socket)) == .sent)
        #expect(try receiver.receiveNumbers() == [2])
    }

    @Test func `a datagram no socket can carry is refused`() throws {
        let receiver = Receiver(path: path)
        let socket = try JournalSocket(path: path)
        let tooLarge = [UInt8](repeating: 0x41, count: 64 * 1024 * 1024)
        #expect(try socket.send(tooLarge) == .refused(EMSGSIZE))
        #expect(try socket.send(encoded(1, by: socket)) == .sent)
        #expect(try receiver.receiveNumbers() == [1])
    }

    @Test func `the largest entry fits into one datagram`() throws {
        let receiver = Receiver(path: path)
        let socket = try JournalSocket(path: path)
        var bytes: [UInt8] = []
        let value = String(repeating: "x", count: JournalEncoder.maxValueBytes)
        let fields = Array(repeating: Field(.message, value), count: 10)
        socket.encode(Record(rule: conflict, events: 1, priority: .info, fields: fields), into: &bytes)
        #expect(bytes.count > JournalEncoder.maxEntryBytes / 2)
        #expect(try socket.send(bytes) == .sent)
        #expect(receiver.receive()?.count == bytes.count)
    }

    @Test func `a path answers only while somebody listens there`() throws {
        #expect(!JournalSocket.answers(path: path))
        var receiver: Receiver? = Receiver(path: path)
        #expect(JournalSocket.answers(path: path))
        receiver = nil
        #expect(!JournalSocket.answers(path: path))
        #expect(receiver == nil)
    }

    @Test func `a path too long for any socket is an error in words`() {
        let path = "/" + String(repeating: "p", count: 200)
        #expect(!JournalSocket.answers(path: path))
        let error = #expect(throws: JournalSocket.OpenFailure.self) { try JournalSocket(path: path) }
        #expect(error?.description == "Cannot open a socket for the journal at \(path): File name too long.")
    }

    @Test func `no child inherits the socket`() throws {
        let socket = try JournalSocket(path: path)
        #expect(fcntl(socket.descriptor, F_GETFD) & FD_CLOEXEC != 0)
        #expect(fcntl(socket.descriptor, F_GETFL) & O_NONBLOCK != 0)
    }
}
