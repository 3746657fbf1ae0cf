import AnomalyModel
import Glibc
import Testing

@testable import SystemdProtocols

/// The same memory, as the next process gets it from systemd.
private func reopened(_ memory: StateMemory) throws -> StateMemory {
    try StateMemory(mapping: fcntl(memory.descriptor, F_DUPFD_CLOEXEC, 0))
}

/// A daemon as far as the queue goes: what it reads are numbers, and how far it read is part of the state.
private struct Process {
    var queue: RecordQueue
    let memory: StateMemory
    /// The number of the next record.
    var next = 0

    /// The first one.
    init(_ transport: any RecordTransport) throws {
        memory = try StateMemory()
        queue = RecordQueue(transport: transport, memory: memory, isKept: true)
    }

    /// One that goes on where another was killed.
    init(after dead: Process, _ transport: any RecordTransport, now: UInt64 = 0) throws {
        memory = try reopened(dead.memory)
        queue = RecordQueue(transport: transport, memory: memory, isKept: true)
        let state = try StateText(parsing: memory.text)
        if state == StateText() { return }
        next = Int(try state.amount("next"))
        try queue.restore(state, now: now)
    }

    mutating func enqueue(_ count: Int = 1, padding: Int = 0, now: UInt64 = 0) {
        for _ in 0..<count {
            queue.enqueue(record(next, padding: padding), now: now)
            next += 1
        }
    }

    mutating func commit() {
        var state = StateText()
        state.add("next", numbers: UInt64(next))
        queue.save(to: &state)
        let isCommitted = queue.commit(state.text)
        #expect(isCommitted)
    }
}

/// A queue that another process goes on with, over real memory that is mapped a second time, as after a kill.
@Suite struct KeptQueueTests {
    private let directory: TemporaryDirectory
    private let receiver: Receiver
    private let journal: JournalSocket

    init() throws {
        directory = try TemporaryDirectory()
        receiver = Receiver(path: directory.path + "/socket")
        journal = try JournalSocket(path: directory.path + "/socket")
    }

    @Test func `nothing is sent that is not committed`() throws {
        var process = try Process(journal)
        process.enqueue(3)
        process.queue.flush(now: 0)
        #expect(try receiver.receiveNumbers().isEmpty)
        #expect(process.queue.needsCommit && process.queue.isUncommitted)
        process.commit()
        process.enqueue()
        process.queue.flush(now: 0)
        #expect(try receiver.receiveNumbers() == [0, 1, 2])
        #expect(process.queue.needsCommit && process.queue.waiting == 1)
    }

    @Test func `a process killed before its first commit leaves nothing`() throws {
        var process = try Process(journal)
        process.enqueue(3)
        let second = try Process(after: process, journal)
        #expect(second.next == 0 && second.queue.waiting == 0)
    }

    @Test func `killed between sending and the commit, nothing goes out twice and nothing is lost`() throws {
        var process = try Process(journal)
        process.enqueue(5)
        process.commit()
        process.queue.flush(now: 0)
        #expect(try receiver.receiveNumbers() == [0, 1, 2, 3, 4])
        var second = try Process(after: process, journal)
        #expect(second.next == 5 && second.queue.waiting == 0)
        #expect(second.queue.deliveries[conflict]?.written == 5)
        second.enqueue()
        second.commit()
        second.queue.flush(now: 0)
        #expect(try receiver.receiveNumbers() == [5])
        #expect(second.queue.deliveries[conflict]?.written == 6)
    }

    @Test func `killed when a journal has taken a part, the rest goes out`() throws {
        var process = try Process(journal)
        process.enqueue(3000)
        process.commit()
        process.queue.flush(now: 0)
        let sent = try receiver.receiveNumbers()
        #expect(!sent.isEmpty && sent.count <= StateMemory.receipts)
        var second = try Process(after: process, journal)
        #expect(second.queue.waiting == 3000 - sent.count)
        var all = sent
        for _ in 0..<1000 where second.queue.waiting > 0 {
            second.commit()
            second.queue.flush(now: 1)
            all += try receiver.receiveNumbers()
        }
        #expect(all == Array(0..<3000))
        #expect(second.queue.deliveries[conflict]?.written == 3000)
    }

    @Test func `the room of a sent record is not used again before it is known to be sent`() throws {
        var process = try Process(journal)
        process.enqueue(padding: 10)
        process.commit()
        process.queue.flush(now: 0)
        process.enqueue(padding: 300)
        let second = try Process(after: process, journal)
        #expect(second.next == 1 && second.queue.waiting == 0)
        #expect(second.queue.deliveries[conflict]?.written == 1)
    }

    @Test func `a full area is not written over what is sent but not known to be`() throws {
        var process = try Process(journal)
        let padding = 60_000
        process.enqueue(200, padding: padding)
        process.commit()
        let waiting = process.queue.waiting
        var sent: [Int] = []
        while sent.count < 40 {
            process.queue.flush(now: 0)
            sent += try receiver.receiveNumbers()
        }
        process.enqueue(200, padding: padding)
        let second = try Process(after: process, journal)
        #expect(second.queue.waiting == waiting - sent.count)
        #expect(second.queue.deliveries[conflict]?.written == UInt64(sent.count))
    }

    @Test func `a refusal is not tried again by the next process`() throws {
        var process = try Process(RefusingTransport())
        process.enqueue(3)
        process.commit()
        process.queue.flush(now: 7)
        let second = try Process(after: process, journal, now: 9)
        #expect(second.queue.waiting == 0)
        #expect(second.queue.losses == [.refused: 3] && second.queue.deliveries[conflict]?.lost == 3)
        #expect(second.queue.unreported?.firstBoottimeNanoseconds == 9)
    }

    @Test func `losses that are not reported yet are reported by the next process`() throws {
        var process = try Process(journal)
        process.enqueue(RecordQueue.maxRecords, now: 5)
        process.commit()
        var second = try Process(after: process, journal)
        #expect(second.queue.losses == process.queue.losses && second.queue.losses[.queueFull] == 512)
        for _ in 0..<1000 where second.queue.waiting > 0 {
            second.commit()
            second.queue.flush(now: 6)
            _ = try receiver.receiveNumbers()
        }
        let report = second.queue.takeRecoveredLoss()
        #expect(report?.byCause == [.queueFull: 512] && report?.firstBoottimeNanoseconds == 5)
    }

    @Test func `a receipt that a killed process had not forgotten yet says nothing of a later record`() throws {
        let memory = try StateMemory()
        #expect(memory.commit("one"))
        // As if the first of them were forgotten already, by a process killed at that.
        for receipt in 2..<5 { memory.note(.sent, receipt: receipt) }
        #expect(memory.commit("two") && memory.commit("three"))
        for receipt in 0..<StateMemory.receipts { #expect(memory.fate(receipt: receipt) == nil) }
    }

    // MARK: Damage

    @Test(arguments: [
        ("", "'queue' is missing"), ("queue", "'queue' has no word 1"), ("queue 0", "'queue' has no word 2"),
        ("queue 0 x", "'x' in 'queue' is no number"), ("queue 5 4", "the waiting records cannot be read"),
        ("queue 0 99", "the waiting records cannot be read"),
        ("queue 0 18446744073709551615", "the waiting records cannot be read"),
        ("queue 18446744073709551614 18446744073709551615", "the waiting records cannot be read"),
        ("queue 9223372036854775807 9223372036854775808", "the waiting records cannot be read"),
        ("queue 0 0\ndelivered a 1", "'delivered' has no word 3"),
        ("queue 0 0\ndelivered a 1 18446744073709551615", "'18446744073709551615' in 'delivered' is too large"),
        ("queue 0 0\nlost bad-luck 1", "'bad-luck' is no cause of a loss"),
        ("queue 0 0\nunreported 1", "'unreported' has no word 2"),
        ("queue 0 0\nunreported 1 2\nunreported-cause refused -1", "'-1' in 'unreported-cause' is no number"),
    ])
    func `a state that cannot be used is a problem that names the line`(text: String, problem: String) throws {
        var queue = RecordQueue(transport: journal, memory: try StateMemory(), isKept: true)
        let state = try StateText(parsing: text.isEmpty ? "" : text + "\n")
        let thrown = #expect(throws: StateText.Problem.self) { try queue.restore(state, now: 0) }
        #expect(thrown?.description == problem)
    }

    @Test func `records whose memory was written over are a problem, not a crash`() throws {
        var random = SeededGenerator(state: 3)
        var readable = 0
        for _ in 0..<500 {
            var process = try Process(journal)
            process.enqueue(3, padding: 20)
            process.commit()
            let offset = Int.random(in: 0..<300, using: &random)
            process.memory.write([.random(in: 0...255, using: &random), 0xff], at: offset)
            guard let second = try? Process(after: process, journal) else { continue }
            readable += 1
            #expect(second.queue.waiting == 3)
        }
        #expect(readable > 0 && readable < 500)
    }

    /// Every process does something for a while and is killed wherever that ends; the journal reads as it likes.
    @Test(arguments: 0..<10 as Range<UInt64>)
    func `killed anywhere and often, each record comes once and in order`(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        var process = try Process(journal)
        var received: [Int] = []
        for turn in 0..<500 as Range<UInt64> {
            switch Int.random(in: 0..<12, using: &random) {
            case 0..<5:
                let count = Int.random(in: 1...20, using: &random)
                process.enqueue(count, padding: sizes.randomElement(using: &random) ?? 0)
            case 5..<7: process.commit()
            case 7..<9: process.queue.flush(now: turn)
            case 9: received += try receiver.receiveNumbers(atMost: 100)
            case 10 where process.queue.waiting > 500:
                while process.queue.waiting > 0 { received += try drain(&process, now: turn) }
            default: process = try Process(after: process, journal, now: turn)
            }
        }
        while process.queue.waiting > 0 { received += try drain(&process, now: 2000) }
        received += try receiver.receiveNumbers()
        let lost = process.queue.losses[.queueFull] ?? 0
        #expect(received.count + Int(lost) == process.next)
        #expect(zip(received, received.dropFirst()).allSatisfy { $0 < $1 })
        #expect(process.queue.deliveries[conflict]?.written == UInt64(received.count))
        if lost == 0 { #expect(received == Array(0..<process.next)) }
    }

    private let sizes = [0, 1, 7, 200, 5000, 60_000]

    private func drain(_ process: inout Process, now: UInt64) throws -> [Int] {
        process.commit()
        process.queue.flush(now: now)
        return try receiver.receiveNumbers()
    }
}

/// Takes nothing.
private final class RefusingTransport: RecordTransport {
    let descriptor: Int32 = -1

    func encode(_ record: Record, into bytes: inout [UInt8]) { bytes.append(0x41) }
    func send(_ record: OutgoingRecord) -> SendOutcome { .refused(EMSGSIZE) }
}
