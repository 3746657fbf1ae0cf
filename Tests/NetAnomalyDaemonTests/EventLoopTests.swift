import Glibc
import Testing

@testable import NetAnomalyDaemon

@Suite struct EventLoopTests {
    private let loop: EventLoop
    private let pair: (Int32, Int32)

    init() throws {
        loop = try quietLoop()
        var pair: [Int32] = [0, 0]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &pair) == 0 else { throw CannotPrepare() }
        self.pair = (pair[0], pair[1])
    }

    /// What is there now.
    private func wakes() -> [EventLoop.Wake] { loop.wait(until: 0, now: 1) }

    private func closePair() {
        close(pair.0)
        close(pair.1)
    }

    @Test(
        arguments: [
            (nil, 5, -1), (5, 5, 0), (4, 5, 0), (6, 5, 1), (1_000_005, 5, 2), (1_000_004, 5, 1), (.max, 0, Int32.max),
        ] as [(UInt64?, UInt64, Int32)])
    func `a wait ends after its deadline, never before`(deadline: UInt64?, now: UInt64, expected: Int32) {
        #expect(EventLoop.milliseconds(until: deadline, now: now) == expected)
    }

    @Test func `a descriptor wakes for what it is watched for`() {
        defer { closePair() }
        loop.watch(pair.0)
        #expect(wakes() == [])
        write(pair.1, "x", 1)
        #expect(wakes() == [.readable(pair.0)])
        #expect(wakes() == [.readable(pair.0)], "what is not read stays")
        loop.watch(pair.0, writable: true, readable: false)
        #expect(wakes() == [.writable(pair.0)])
        loop.watch(pair.0, writable: true)
        #expect(wakes() == [.readable(pair.0), .writable(pair.0)])
        loop.forget(pair.0)
        #expect(wakes() == [])
        loop.forget(pair.0)
    }

    @Test func `a hang-up shows as readable, also where only writing was of interest`() {
        loop.watch(pair.0, writable: true, readable: false)
        close(pair.1)
        #expect(wakes() == [.readable(pair.0), .writable(pair.0)])
        close(pair.0)
        #expect(wakes() == [], "a closed descriptor is forgotten")
    }

    @Test func `waiting for an output that is ready ends at once`() {
        defer { closePair() }
        let before = boottimeNanoseconds()
        EventLoop.waitWritable(pair.0, until: before + 60 * second, now: before)
        #expect(boottimeNanoseconds() < before + 30 * second)
    }

    @Test func `waiting for no output lasts until the deadline`() {
        defer { closePair() }
        let before = boottimeNanoseconds()
        EventLoop.waitWritable(nil, until: before + 2_000_000, now: before)
        #expect(boottimeNanoseconds() >= before + 2_000_000)
    }
}
