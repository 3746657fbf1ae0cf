import AnomalyModel
import EventPipeline
import Testing

@Suite struct DeduplicatorTests {
    private func deduplicator(interval: UInt64, maxKeys: Int = 100) -> Deduplicator {
        Deduplicator(settings: GateSettings(common: limits(dedup: interval), maxKeys: maxKeys))
    }

    /// The suppressed count of what passed; nil if it did not.
    private func passed(_ verdict: Deduplicator.Verdict) -> UInt64? {
        if case .pass(let event) = verdict { event.suppressed } else { nil }
    }

    private func isDeduplicated(_ verdict: Deduplicator.Verdict) -> Bool {
        if case .deduplicated = verdict { true } else { false }
    }

    private func isOverflow(_ verdict: Deduplicator.Verdict) -> Bool {
        if case .overflow = verdict { true } else { false }
    }

    @Test func `the interval ends exactly on time and the next event carries the count`() {
        var deduplicator = deduplicator(interval: 10)
        #expect(passed(deduplicator.admit(anomaly(), now: seconds(5))) == 0)
        #expect(isDeduplicated(deduplicator.admit(anomaly(), now: seconds(5))))
        #expect(isDeduplicated(deduplicator.admit(anomaly(), now: seconds(15) - 1)))
        #expect(passed(deduplicator.admit(anomaly(), now: seconds(15))) == 2)
        #expect(isDeduplicated(deduplicator.admit(anomaly(), now: seconds(15))))
    }

    @Test func `every part of the key tells events apart`() {
        var deduplicator = deduplicator(interval: 10)
        var changed = Array(repeating: anomaly(), count: 6)
        changed[1].key.networkNamespace += 1
        changed[2].key.interfaceIndex += 1
        changed[3].key.detail += 1
        changed[4].key.words = [2]
        changed[5].key.words = [1, 0]
        #expect(changed.allSatisfy { passed(deduplicator.admit($0, now: 0)) == 0 })
        #expect(passed(deduplicator.admit(anomaly(tinySize), now: 0)) == 0)
        #expect(changed.allSatisfy { isDeduplicated(deduplicator.admit($0, now: 1)) })
    }

    @Test func `a quiet key gets its summary when the interval has ended`() throws {
        var deduplicator = deduplicator(interval: 10)
        _ = deduplicator.admit(anomaly(at: 100), now: seconds(1))
        _ = deduplicator.admit(anomaly(at: 200), now: seconds(2))
        var last = anomaly(at: 300)
        last.message = "the last one"
        last.frames = ["arp_rcv+1"]
        _ = deduplicator.admit(last, now: seconds(3))
        #expect(deduplicator.nextDeadline == seconds(11))
        #expect(deduplicator.takeExpired(now: seconds(11) - 1).isEmpty)
        let summaries = deduplicator.takeExpired(now: seconds(11))
        let summary = try #require(summaries.first)
        #expect(summaries.count == 1)
        #expect(summary.kind == .summary)
        #expect(summary.suppressed == 2)
        #expect(summary.message == "the last one")
        #expect(summary.firstBoottimeNanoseconds == 100)
        #expect(summary.lastBoottimeNanoseconds == 300)
        #expect(summary.stack.isEmpty && summary.frames.isEmpty)
        #expect(deduplicator.takeExpired(now: seconds(13)).isEmpty)
    }

    @Test func `a summary is an entry and starts an interval of its own`() {
        var deduplicator = deduplicator(interval: 10)
        _ = deduplicator.admit(anomaly(), now: 0)
        _ = deduplicator.admit(anomaly(), now: 1)
        #expect(deduplicator.takeExpired(now: seconds(10)).count == 1)
        #expect(isDeduplicated(deduplicator.admit(anomaly(), now: seconds(20) - 1)))
        #expect(passed(deduplicator.admit(anomaly(), now: seconds(20))) == 1)
    }

    @Test func `a key is forgotten once it was idle, and its first time with it`() throws {
        var deduplicator = deduplicator(interval: 10)
        _ = deduplicator.admit(anomaly(at: 100), now: 0)
        #expect(deduplicator.takeExpired(now: seconds(60) - 1).isEmpty)
        #expect(deduplicator.keyCount == 1)
        #expect(deduplicator.takeExpired(now: seconds(61)).isEmpty)
        #expect(deduplicator.keyCount == 0)
        #expect(deduplicator.nextDeadline == nil)
        guard case .pass(let again) = deduplicator.admit(anomaly(at: 900), now: seconds(70)) else {
            Issue.record("a forgotten key is a new key")
            return
        }
        #expect(again.firstBoottimeNanoseconds == 900)
    }

    @Test func `an interval longer than the minimum keeps its key that long`() {
        var deduplicator = deduplicator(interval: 300)
        _ = deduplicator.admit(anomaly(), now: 0)
        _ = deduplicator.takeExpired(now: seconds(299))
        #expect(isDeduplicated(deduplicator.admit(anomaly(), now: seconds(299))))
    }

    @Test func `a full table refuses new keys but one a second, serves known ones and takes new ones again later`() {
        var deduplicator = deduplicator(interval: 10, maxKeys: 2)
        #expect(passed(deduplicator.admit(anomaly(key: 1), now: 0)) == 0)
        #expect(passed(deduplicator.admit(anomaly(key: 2), now: 0)) == 0)
        #expect(passed(deduplicator.admit(anomaly(key: 3), now: 0)) == 0, "it must not hide an attack")
        #expect(isOverflow(deduplicator.admit(anomaly(key: 3), now: seconds(1) - 1)))
        #expect(isDeduplicated(deduplicator.admit(anomaly(key: 2), now: seconds(1) - 1)))
        #expect(deduplicator.keyCount == 2)
        _ = deduplicator.takeExpired(now: seconds(70))
        #expect(passed(deduplicator.admit(anomaly(key: 3), now: seconds(70))) == 0)
    }

    @Test func `what was put back is carried by the next entry, and no interval began`() {
        var deduplicator = deduplicator(interval: 10)
        _ = deduplicator.admit(anomaly(), now: 0)
        _ = deduplicator.admit(anomaly(), now: 1)
        guard case .pass(let refused) = deduplicator.admit(anomaly(), now: seconds(10)) else {
            Issue.record("the interval has ended")
            return
        }
        let hasKey = deduplicator.putBack(refused, now: seconds(10))
        #expect(hasKey)
        #expect(passed(deduplicator.admit(anomaly(), now: seconds(10) + 1)) == 2)
    }

    @Test func `a first event that was put back waits a whole interval for its summary`() throws {
        var deduplicator = deduplicator(interval: 10)
        guard case .pass(let refused) = deduplicator.admit(anomaly(), now: seconds(5)) else {
            Issue.record("a new key passes")
            return
        }
        let hasKey = deduplicator.putBack(refused, now: seconds(5))
        #expect(hasKey)
        #expect(deduplicator.takeExpired(now: seconds(15) - 1).isEmpty)
        let summaries = deduplicator.takeExpired(now: seconds(15))
        #expect(summaries.map(\.suppressed) == [1])
    }

    @Test func `an old key that is put back does not get a summary at once`() {
        var deduplicator = deduplicator(interval: 10)
        _ = deduplicator.admit(anomaly(), now: 0)
        guard case .pass(let refused) = deduplicator.admit(anomaly(), now: seconds(50)) else {
            Issue.record("the interval has ended")
            return
        }
        let hasKey = deduplicator.putBack(refused, now: seconds(50))
        #expect(hasKey)
        #expect(deduplicator.takeExpired(now: seconds(51)).isEmpty)
        #expect(deduplicator.takeExpired(now: seconds(60)).map(\.suppressed) == [1])
    }

    @Test func `without an interval everything passes and what is put back is summed up for a minute`() {
        var deduplicator = deduplicator(interval: 0)
        for now in 0..<5 { #expect(passed(deduplicator.admit(anomaly(), now: UInt64(now))) == 0) }
        guard case .pass(let refused) = deduplicator.admit(anomaly(), now: 5) else {
            Issue.record("no interval")
            return
        }
        let hasKey = deduplicator.putBack(refused, now: 5)
        #expect(hasKey)
        #expect(deduplicator.takeExpired(now: seconds(59)).isEmpty)
        #expect(deduplicator.takeExpired(now: seconds(61)).map(\.suppressed) == [1])
    }

    @Test func `a summary from an earlier gate passes and takes along what was collected here`() {
        var deduplicator = deduplicator(interval: 10)
        _ = deduplicator.admit(anomaly(), now: 0)
        _ = deduplicator.admit(anomaly(suppressed: 3), now: 1)
        #expect(passed(deduplicator.admit(anomaly(kind: .summary, suppressed: 5), now: 2)) == 9)
        #expect(deduplicator.takeAll().isEmpty)
    }

    @Test func `a summary of an unknown key passes and leaves no key behind`() {
        var deduplicator = deduplicator(interval: 10, maxKeys: 0)
        #expect(passed(deduplicator.admit(anomaly(kind: .summary, suppressed: 5), now: 2)) == 5)
        #expect(deduplicator.keyCount == 0)
    }

    @Test func `thousands of keys that end together are summed up in portions, each once`() {
        let keys = 2500
        var deduplicator = deduplicator(interval: 10, maxKeys: keys)
        for key in 0..<UInt64(keys) {
            _ = deduplicator.admit(anomaly(key: key), now: 0)
            _ = deduplicator.admit(anomaly(key: key), now: 0)
        }
        var portions: [Int] = []
        var seen: Set<AnomalyKey> = []
        while let now = deduplicator.nextDeadline, now < seconds(60) {
            let summaries = deduplicator.takeExpired(now: now)
            portions.append(summaries.count)
            for summary in summaries { #expect(seen.insert(summary.key).inserted) }
        }
        #expect(portions == [1024, 1024, 452])
        #expect(seen.count == keys)
    }

    @Test func `a shorter interval after a reload ends what is open`() {
        var deduplicator = deduplicator(interval: 1000)
        _ = deduplicator.admit(anomaly(), now: 0)
        _ = deduplicator.admit(anomaly(), now: 1)
        deduplicator.settings.common = limits(dedup: 5)
        #expect(deduplicator.takeExpired(now: seconds(6)).map(\.suppressed) == [1])
    }

    @Test func `an endless interval neither overflows nor loses the count`() {
        var deduplicator = deduplicator(interval: 0)
        deduplicator.settings.common.dedupIntervalNanoseconds = .max
        _ = deduplicator.admit(anomaly(), now: 7)
        #expect(isDeduplicated(deduplicator.admit(anomaly(), now: seconds(1_000_000))))
        #expect(deduplicator.takeAll().map(\.suppressed) == [1])
    }
}
