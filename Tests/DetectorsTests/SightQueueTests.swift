import Testing

@testable import Detectors

@Suite struct SightQueueTests {
    private typealias Queue = SightQueue<String>
    private static let window = Queue.windowNanoseconds

    @Test func `an empty queue waits for nothing`() {
        var queue = Queue()
        #expect(queue.take(now: .max) == nil)
        #expect(queue.takeOldest() == nil)
        #expect(queue.count == 0 && queue.nextDeadline == nil)
    }

    @Test func `a reply that comes before its request is judged after it`() {
        var queue = Queue()
        #expect(queue.add("reply", at: 2000, now: 5000) == nil)
        #expect(queue.add("request", at: 1000, now: 5500) == nil)
        #expect(queue.nextDeadline == 5500 + Self.window)
        #expect(queue.take(now: 5500 + Self.window - 1) == nil, "an earlier one may still come")
        #expect(queue.take(now: 5500 + Self.window) == "request")
        #expect(queue.take(now: 5500 + Self.window) == "reply")
    }

    @Test func `all that comes late is put in order as well`() {
        var queue = Queue()
        let late = 10 * Self.window
        _ = queue.add("reply", at: 2000, now: late)
        #expect(queue.take(now: late) == nil, "its request may be as late")
        _ = queue.add("request", at: 1000, now: late + 1)
        #expect(queue.take(now: late + Self.window) == nil)
        #expect(queue.take(now: late + Self.window + 1) == "request")
        #expect(queue.take(now: late + Self.window + 1) == "reply")
    }

    @Test func `at the end nothing waits any longer`() {
        var queue = Queue()
        for (index, text) in ["c", "a", "b"].enumerated() { _ = queue.add(text, at: [30, 10, 20][index], now: 0) }
        let taken = (0..<4).map { _ in queue.takeOldest() }
        #expect(taken == ["a", "b", "c", nil])
    }

    @Test func `a queue that is full gives its oldest, which may be the new one`() {
        var queue = SightQueue<Int>()
        for number in 0..<SightQueue<Int>.maxWaiting {
            #expect(queue.add(number, at: UInt64(1000 + number), now: 0) == nil)
        }
        #expect(queue.add(-1, at: 5000, now: 0) == 0)
        #expect(queue.add(-2, at: 1, now: 0) == -2)
        #expect(queue.count == SightQueue<Int>.maxWaiting)
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `in any order of coming, the order of going is that of time`(_ seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var queue = SightQueue<UInt64>()
        /// What waits, by the plainest means.
        var model: [(time: UInt64, arrival: UInt64)] = []
        var now: UInt64 = 2 * Self.window
        for _ in 0..<4000 {
            now += .random(in: 0...200_000, using: &random)
            let time = now - .random(in: 0...2 * Self.window, using: &random)
            model.append((time, now))
            let pushedOut = queue.add(time, at: time, now: now)
            #expect((pushedOut != nil) == (model.count > SightQueue<UInt64>.maxWaiting))
            if pushedOut != nil { expectOldest(&model, pushedOut) }
            let oldest = model.min { $0.time < $1.time }
            #expect(queue.nextDeadline == oldest.map { $0.arrival + Self.window } && queue.count == model.count)
            while UInt32.random(in: 0..<3, using: &random) == 0, let taken = queue.take(now: now) {
                #expect(model.contains { $0.time == taken && $0.arrival + Self.window <= now })
                expectOldest(&model, taken)
            }
        }
        while let taken = queue.takeOldest() { expectOldest(&model, taken) }
        #expect(model.isEmpty)
    }

    private func expectOldest(_ model: inout [(time: UInt64, arrival: UInt64)], _ taken: UInt64?) {
        let oldest = model.indices.min { model[$0].time < model[$1].time }
        #expect(taken != nil && taken == oldest.map { model[$0].time })
        if let oldest { model.remove(at: oldest) }
    }
}
