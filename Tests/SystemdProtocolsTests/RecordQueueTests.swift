import AnomalyModel
import Glibc
import Testing

@testable import SystemdProtocols

/// An output that answers as it is told to, and keeps what it took.
private final class ScriptedTransport: RecordTransport {
    let descriptor: Int32 = -1
    var answer = SendOutcome.sent
    var attempts = 0
    var taken: [String] = []

    func encode(_ record: Record, into bytes: inout [UInt8]) {
        bytes.append(contentsOf: (record[.sequence] ?? "").utf8)
        bytes.append(contentsOf: [UInt8](repeating: 0x20, count: record[.message]?.utf8.count ?? 0))
    }

    func send(_ record: OutgoingRecord) -> SendOutcome {
        attempts += 1
        if answer == .sent { taken.append(String(decoding: record.bytes.prefix { $0 != 0x20 }, as: UTF8.self)) }
        return answer
    }
}

@Suite struct RecordQueueTests {
    private let transport = ScriptedTransport()
    private let second: UInt64 = 1_000_000_000

    @Test func `nothing waits while the output takes everything`() throws {
        var queue = try RecordQueue(transport: transport)
        for number in 0..<10 { queue.enqueue(record(number), now: 0) }
        #expect(transport.taken == (0..<10).map(String.init))
        #expect(queue.waiting == 0)
        #expect(!queue.wantsWritable)
        #expect(queue.deliveries[conflict]?.written == 10)
    }

    @Test func `what waits goes out first and in order`() throws {
        var queue = try RecordQueue(transport: transport)
        transport.answer = .wouldBlock
        for number in 0..<2000 { queue.enqueue(record(number), now: 0) }
        #expect(queue.wantsWritable)
        #expect(transport.attempts == 1)
        transport.answer = .sent
        queue.enqueue(record(2000), now: 0)
        #expect(transport.taken.isEmpty)
        queue.flush(now: 1)
        #expect(transport.taken == (0...2000).map(String.init))
        #expect(!queue.wantsWritable)
    }

    @Test func `a full queue loses the newest and counts each`() throws {
        var queue = try RecordQueue(transport: transport)
        transport.answer = .wouldBlock
        let room = RecordQueue.maxRecords / 8 * 7
        for number in 0..<room + 5 { queue.enqueue(record(number), now: 7) }
        #expect(queue.waiting == room)
        #expect(queue.losses == [.queueFull: 5])
        transport.answer = .sent
        queue.flush(now: 8)
        #expect(transport.taken == (0..<room).map(String.init))
        #expect(queue.deliveries[conflict]?.written == UInt64(room))
        #expect(queue.deliveries[conflict]?.lost == 5)
    }

    @Test func `summaries and urgent records still find room when events do not`() throws {
        var queue = try RecordQueue(transport: transport)
        transport.answer = .wouldBlock
        for number in 0..<RecordQueue.maxRecords { queue.enqueue(record(number), now: 0) }
        let lostBefore = queue.losses[.queueFull]
        queue.enqueue(record(-1, events: 0), now: 0)
        queue.enqueue(record(-2, priority: .error), now: 0)
        #expect(queue.losses[.queueFull] == lostBefore)
        for number in 0..<RecordQueue.maxRecords { queue.enqueue(record(number, events: 0), now: 0) }
        #expect(queue.waiting == RecordQueue.maxRecords)
    }

    @Test func `large records are bounded by bytes`() throws {
        var queue = try RecordQueue(transport: transport)
        transport.answer = .wouldBlock
        let size = 60_000
        for number in 0..<200 { queue.enqueue(record(number, events: 0, padding: size), now: 0) }
        #expect(queue.waiting == RecordQueue.maxBytes / size)
        transport.answer = .sent
        queue.flush(now: 1)
        transport.answer = .wouldBlock
        queue.enqueue(record(1, padding: size), now: 2)
        #expect(queue.waiting == 1)
    }

    @Test func `retries begin at 100 ms, double, and end at 5 s`() throws {
        var queue = try RecordQueue(transport: transport)
        transport.answer = .unreachable(ENOENT)
        var now = second
        queue.enqueue(record(1), now: now)
        var pauses: [UInt64] = []
        for _ in 0..<8 {
            guard let retry = queue.nextRetry else { break }
            pauses.append((retry - now) / 1_000_000)
            queue.flush(now: retry - 1)
            now = retry
            queue.flush(now: now)
        }
        #expect(pauses == [100, 200, 400, 800, 1600, 3200, 5000, 5000])
        #expect(transport.attempts == 9)
        #expect(queue.unreachable == ENOENT)
        #expect(!queue.wantsWritable)
    }

    @Test func `after success the retries begin anew`() throws {
        var queue = try RecordQueue(transport: transport)
        transport.answer = .unreachable(ECONNREFUSED)
        queue.enqueue(record(1), now: 0)
        queue.flush(now: try #require(queue.nextRetry))
        transport.answer = .sent
        queue.flush(now: try #require(queue.nextRetry))
        #expect(queue.nextRetry == nil)
        #expect(queue.unreachable == nil)
        transport.answer = .unreachable(ECONNREFUSED)
        queue.enqueue(record(2), now: second)
        #expect(queue.nextRetry == second + RecordQueue.firstRetryNanoseconds)
    }

    @Test func `a refused record is lost alone`() throws {
        var queue = try RecordQueue(transport: transport)
        transport.answer = .refused(EMSGSIZE)
        queue.enqueue(record(1), now: 0)
        transport.answer = .sent
        queue.enqueue(record(2), now: 0)
        #expect(queue.losses == [.refused: 1])
        #expect(queue.deliveries[conflict]?.lost == 1)
        #expect(queue.deliveries[conflict]?.written == 1)
    }

    @Test func `losses are reported once, when the output works and nothing waits`() throws {
        var queue = try RecordQueue(transport: transport)
        #expect(queue.takeRecoveredLoss() == nil)
        transport.answer = .wouldBlock
        for number in 0..<RecordQueue.maxRecords { queue.enqueue(record(number), now: 5) }
        queue.enqueue(record(0), now: 9)
        #expect(queue.takeRecoveredLoss() == nil)
        transport.answer = .sent
        queue.flush(now: 10)
        let recovered = queue.takeRecoveredLoss()
        let report = try #require(recovered)
        #expect(report.records == UInt64(RecordQueue.maxRecords / 8 + 1))
        #expect(report.byCause == queue.losses)
        #expect(report.firstBoottimeNanoseconds == 5)
        #expect(report.lastBoottimeNanoseconds == 9)
        #expect(queue.takeRecoveredLoss() == nil)
        queue.enqueue(record(1), now: 11)
        #expect(queue.takeRecoveredLoss() == nil)
    }

    @Test func `a refusal is reported after the next success`() throws {
        var queue = try RecordQueue(transport: transport)
        queue.enqueue(record(0), now: 2)
        transport.answer = .refused(EMSGSIZE)
        queue.enqueue(record(1), now: 3)
        #expect(queue.takeRecoveredLoss() == nil)
        transport.answer = .sent
        queue.enqueue(record(2), now: 4)
        #expect(queue.takeRecoveredLoss()?.byCause == [.refused: 1])
    }

    @Test func `what is given up at the end is counted by rule`() throws {
        var queue = try RecordQueue(transport: transport)
        transport.answer = .wouldBlock
        let other = RuleName("gso-tiny-size")
        for number in 0..<3 { queue.enqueue(record(number), now: 0) }
        queue.enqueue(record(3, rule: other), now: 0)
        queue.enqueue(record(4, rule: other, events: 0), now: 0)
        queue.abandon(now: 1)
        #expect(queue.losses == [.unsentAtStop: 5])
        #expect(queue.deliveries[conflict]?.lost == 3)
        #expect(queue.deliveries[other]?.lost == 1)
        #expect(queue.waiting == 0)
    }

    @Test func `what becomes of a record is counted for every rule it names`() throws {
        var queue = try RecordQueue(transport: transport)
        let (also, alone) = (RuleName("arp-scan"), RuleName("arp-malformed"))
        queue.enqueue(record(0, also: [also]), now: 0)
        transport.answer = .refused(EMSGSIZE)
        queue.enqueue(record(1, also: [also]), now: 0)
        transport.answer = .wouldBlock
        queue.enqueue(record(2, also: [also]), now: 0)
        queue.enqueue(record(3, rule: alone), now: 0)
        queue.enqueue(record(4, also: [also], events: 0), now: 0)
        queue.abandon(now: 1)
        var expected = Delivery()
        (expected.written, expected.lost) = (1, 2)
        #expect(queue.deliveries[conflict] == expected && queue.deliveries[also] == expected)
        #expect(queue.deliveries[alone]?.lost == 1)
        // Records, not rules: each was lost once.
        #expect(queue.losses == [.refused: 1, .unsentAtStop: 3])
    }

    @Test func `a reader that has gone is not written to again`() throws {
        var queue = try RecordQueue(transport: transport)
        transport.answer = .wouldBlock
        for number in 0..<3 { queue.enqueue(record(number), now: 0) }
        transport.answer = .readerGone
        queue.flush(now: 1)
        #expect(queue.isReaderGone)
        let attempts = transport.attempts
        queue.enqueue(record(4), now: 2)
        #expect(transport.attempts == attempts)
        #expect(queue.losses == [.readerGone: 4])
        #expect(queue.takeRecoveredLoss() == nil)
    }

    @Test func `every record is written, lost or waiting, whatever the output does`() throws {
        var queue = try RecordQueue(transport: transport)
        let answers: [SendOutcome] = [.sent, .sent, .wouldBlock, .unreachable(ENOENT), .refused(EMSGSIZE)]
        var random = SeededGenerator(state: 5)
        var offered: UInt64 = 0
        var now: UInt64 = 0
        for _ in 0..<30_000 {
            now += .random(in: 0...20_000_000, using: &random)
            if Int.random(in: 0..<100, using: &random) == 0 {
                transport.answer = answers.randomElement(using: &random) ?? .sent
            }
            if Int.random(in: 0..<50, using: &random) == 0 { queue.flush(now: now) }
            queue.enqueue(record(Int(offered)), now: now)
            offered += 1
            let delivery = queue.deliveries[conflict] ?? Delivery()
            #expect(delivery.written + delivery.lost + UInt64(queue.waiting) == offered)
        }
        let numbers = transport.taken.compactMap { Int($0) }
        #expect(numbers == numbers.sorted())
        #expect(UInt64(numbers.count) == queue.deliveries[conflict]?.written)
    }
}

@Suite struct JournalQueueTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.path + "/socket" }

    init() throws { directory = try TemporaryDirectory() }

    /// Flushes and reads in turn, as the receiver's queue may hold no more than ten; gives up after a thousand turns.
    private func deliver(_ queue: inout RecordQueue, to receiver: Receiver, now: UInt64) throws -> [Int] {
        var numbers: [Int] = []
        for _ in 0..<1000 where queue.waiting > 0 {
            queue.flush(now: now)
            numbers += try receiver.receiveNumbers()
        }
        return numbers
    }

    @Test func `a journal that hangs and then reads gets everything in order`() throws {
        let receiver = Receiver(path: path)
        var queue = try RecordQueue(transport: JournalSocket(path: path))
        for number in 0..<3000 { queue.enqueue(record(number), now: 0) }
        #expect(queue.wantsWritable)
        #expect(queue.waiting > 0)
        #expect(try deliver(&queue, to: receiver, now: 1) == Array(0..<3000))
        #expect(queue.losses.isEmpty)
        #expect(queue.deliveries[conflict]?.written == 3000)
    }

    @Test func `a journal that restarts gets what waited`() throws {
        var receiver: Receiver? = Receiver(path: path)
        var queue = try RecordQueue(transport: JournalSocket(path: path))
        queue.enqueue(record(0), now: 0)
        #expect(try receiver?.receiveNumbers() == [0])
        receiver = nil
        for number in 1..<50 { queue.enqueue(record(number), now: 0) }
        #expect(queue.waiting == 49)
        let second = Receiver(path: path)
        let retry = try #require(queue.nextRetry)
        #expect(try deliver(&queue, to: second, now: retry) == Array(1..<50))
        #expect(queue.losses.isEmpty)
        #expect(receiver == nil)
    }

    @Test func `a journal that was not there at the start gets what waited`() throws {
        var queue = try RecordQueue(transport: JournalSocket(path: path))
        for number in 0..<50 { queue.enqueue(record(number), now: 0) }
        queue.flush(now: try #require(queue.nextRetry))
        let receiver = Receiver(path: path)
        let retry = try #require(queue.nextRetry)
        #expect(try deliver(&queue, to: receiver, now: retry) == Array(0..<50))
        #expect(queue.losses.isEmpty)
    }
}
