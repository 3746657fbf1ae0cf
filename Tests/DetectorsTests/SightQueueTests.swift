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
        #expect(queue.add("reply", at: 2000) == nil)
        #expect(queue.add("request", at: 1000) == nil)
        #expect(queue.nextDeadline == 1000 + Self.window)
        #expect(queue.take(now: 1000 + Self.window - 1) == nil, "an earlier one may still come")
        #expect(queue.take(now: 1000 + Self.window) == "request")
        #expect(queue.take(now: 1000 + Self.window) == nil)
        #expect(queue.take(now: 2000 + Self.window) == "reply")
    }

    @Test func `what comes too late goes at once, not first`() {
        var queue = Queue()
        _ = queue.add("late", at: 5)
        _ = queue.add("new", at: 10 * Self.window)
        #expect(queue.take(now: 10 * Self.window) == "late")
        #expect(queue.take(now: 10 * Self.window) == nil)
    }

    @Test func `at the end nothing waits any longer`() {
        var queue = Queue()
        for (index, text) in ["c", "a", "b"].enumerated() { _ = queue.add(text, at: [30, 10, 20][index]) }
        let taken = (0..<4).map { _ in queue.takeOldest() }
        #expect(taken == ["a", "b", "c", nil])
    }

    @Test func `a queue that is full gives its oldest, which may be the new one`() {
        var queue = SightQueue<Int>()
        for number in 0..<SightQueue<Int>.maxWaiting { #expect(queue.add(number, at: UInt64(1000 + number)) == nil) }
        #expect(queue.add(-1, at: 5000) == 0)
        #expect(queue.add(-2, at: 1) == -2)
        #expect(queue.count == SightQueue<Int>.maxWaiting)
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `in any order of coming, the order of going is that of time`(_ seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var queue = SightQueue<UInt64>()
        /// What waits, by the plainest means.
        var model: [UInt64] = []
        var now: UInt64 = 0
        for _ in 0..<4000 {
            now += .random(in: 0...200_000, using: &random)
            let time = now - min(now, .random(in: 0...2 * Self.window, using: &random))
            model.append(time)
            let pushedOut = queue.add(time, at: time)
            #expect((pushedOut != nil) == (model.count > SightQueue<UInt64>.maxWaiting))
            if pushedOut != nil { expectOldest(&model, pushedOut) }
            #expect(queue.nextDeadline == model.min().map { $0 + Self.window } && queue.count == model.count)
            while UInt32.random(in: 0..<3, using: &random) == 0, let taken = queue.take(now: now) {
                #expect(taken + Self.window <= now)
                expectOldest(&model, taken)
            }
        }
        while let taken = queue.takeOldest() { expectOldest(&model, taken) }
        #expect(model.isEmpty)
    }

    private func expectOldest(_ model: inout [UInt64], _ taken: UInt64?) {
        #expect(taken != nil && taken == model.min())
        if let index = model.firstIndex(where: { $0 == taken }) { model.remove(at: index) }
    }
}
