import AnomalyModel
import EventPipeline
import Testing

@Suite struct GateTests {
    @Test(arguments: 1...12 as ClosedRange<UInt64>)
    func `a random flood is accounted for to the last event`(_ seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var flood = Flood(settings: Flood.settings(&random))
        for _ in 0..<6000 {
            flood.step(&random)
            flood.expectBalance()
        }
        flood.finish()
        flood.expectBalance()
        flood.expectEverythingShown()
    }

    @Test func `the limiter's refusals are in the next entry of their key`() {
        let settings = GateSettings(common: limits(dedup: 1, interval: 100, burst: 1), maxKeys: 10)
        var gate = Gate(settings: settings)
        #expect(gate.admit(anomaly(key: 1), now: 0) != nil)
        #expect(gate.admit(anomaly(key: 2), now: 0) == nil)
        #expect(gate.admit(anomaly(key: 2), now: 1) == nil)
        #expect(gate.admit(anomaly(key: 2), now: seconds(100))?.suppressed == 2)
        #expect(gate.ledger[conflict.name]?.limited == 2)
        #expect(gate.ledger[conflict.name]?.deduplicated == 0)
    }

    @Test func `an event deduplicated by its own key costs the rule none of its rate`() {
        let settings = GateSettings(common: limits(dedup: 10, interval: 100, burst: 2), maxKeys: 10)
        var gate = Gate(settings: settings)
        for _ in 0..<50 { _ = gate.admit(anomaly(key: 1), now: 0) }
        #expect(gate.admit(anomaly(key: 2), now: 0) != nil)
        #expect(gate.ledger[conflict.name]?.deduplicated == 49)
    }

    @Test func `rules have limits of their own`() {
        let settings = GateSettings(
            limits: [tinySize.name: limits(dedup: 0)], common: limits(dedup: 10), maxKeys: 10)
        var gate = Gate(settings: settings)
        #expect((0..<5).filter { _ in gate.admit(anomaly(tinySize), now: 0) != nil }.count == 5)
        #expect((0..<5).filter { _ in gate.admit(anomaly(conflict), now: 0) != nil }.count == 1)
    }

    @Test func `a reload keeps keys, counts and the used-up burst`() {
        var gate = Gate(settings: GateSettings(common: limits(dedup: 10, interval: 100, burst: 1), maxKeys: 10))
        #expect(gate.admit(anomaly(), now: 0) != nil)
        #expect(gate.admit(anomaly(), now: 1) == nil)
        gate.settings.common = limits(dedup: 5, interval: 100, burst: 2)
        gate.settings.common = limits(dedup: 10, interval: 100, burst: 1)
        #expect(gate.admit(anomaly(key: 2), now: 2) == nil)
        #expect(gate.ledger[conflict.name]?.limited == 1)
        let summaries = gate.takeAll()
        #expect(summaries.map(\.suppressed) == [1, 1])
    }

    @Test func `the other rules of a packet share its fate, and none of their own limits`() {
        let settings = GateSettings(
            limits: [tinySize.name: limits(dedup: 0)], common: limits(dedup: 10, interval: 100, burst: 1), maxKeys: 2)
        var gate = Gate(settings: settings)
        let also = [tinySize.name]
        // Passed, deduplicated, limited, and without room for its key.
        #expect(gate.admit(anomaly(key: 1, also: also), now: 0)?.also == also)
        for key: UInt64 in [1, 2, 3] { #expect(gate.admit(anomaly(key: key, also: also), now: 1) == nil) }
        var expected = RuleAccount()
        (expected.seen, expected.deduplicated, expected.limited, expected.overflow) = (4, 1, 1, 1)
        #expect(gate.ledger == [conflict.name: expected, tinySize.name: expected])
        // A summary tells of them and counts for none.
        let summaries = gate.takeAll()
        #expect(summaries.map(\.also) == [also, also])
        #expect(gate.admit(anomaly(kind: .summary, suppressed: 7, also: also), now: 2)?.also == also)
        #expect(gate.ledger[tinySize.name] == expected)
    }

    @Test func `what an event carries was booked where it was suppressed`() {
        var gate = Gate(settings: GateSettings(common: limits(dedup: 10), maxKeys: 1))
        #expect(gate.admit(anomaly(key: 1, suppressed: 4), now: 0)?.suppressed == 4)
        #expect(gate.admit(anomaly(key: 1, suppressed: 2), now: 0) == nil)
        #expect(gate.admit(anomaly(key: 2, suppressed: 1), now: 0)?.suppressed == 1, "one a second passes a full table")
        #expect(gate.admit(anomaly(key: 2, suppressed: 1), now: 0) == nil)
        var expected = RuleAccount()
        expected.seen = 4
        expected.deduplicated = 1
        expected.overflow = 1
        #expect(gate.ledger[conflict.name] == expected)
    }
}

/// A gate under random events, and the plainest possible book of what went in and came out.
private struct Flood {
    private static let rules = [conflict, tinySize]

    private var gate: Gate
    private var now: UInt64 = 1_000_000
    private var seen: [RuleName: UInt64] = [:]
    private var entries: [RuleName: UInt64] = [:]
    /// Σ NETANOMALY_COUNT of what came out.
    private var shown: [RuleName: UInt64] = [:]

    init(settings: GateSettings) { gate = Gate(settings: settings) }

    static func settings(_ random: inout SeededGenerator) -> GateSettings {
        func some() -> RuleLimits {
            limits(
                dedup: .random(in: 0...20, using: &random), interval: .random(in: 0...5, using: &random),
                burst: .random(in: 0...20, using: &random))
        }
        return GateSettings(
            limits: [tinySize.name: some()], common: some(), maxKeys: .random(in: 0...60, using: &random))
    }

    mutating func step(_ random: inout SeededGenerator) {
        switch UInt32.random(in: 0..<1000, using: &random) {
        case 0..<3: gate.settings = Self.settings(&random)
        case 3..<10: now += seconds(.random(in: 0...80, using: &random))
        case 10..<30: for summary in gate.takeExpired(now: now) { show(summary) }
        default:
            now += .random(in: 0...200_000_000, using: &random)
            let rule = Self.rules[Int.random(in: 0...1, using: &random)]
            seen[rule.name, default: 0] += 1
            let event = anomaly(rule, key: .random(in: 0...80, using: &random), at: now)
            if let entry = gate.admit(event, now: now) {
                entries[rule.name, default: 0] += 1
                show(entry)
            }
        }
    }

    mutating func finish() {
        for summary in gate.takeAll() { show(summary) }
    }

    private mutating func show(_ entry: Anomaly) {
        let isEvent = entry.kind == .event
        #expect(isEvent || entry.suppressed > 0, "an empty summary says nothing")
        #expect(entry.firstBoottimeNanoseconds <= entry.lastBoottimeNanoseconds)
        shown[entry.rule.name, default: 0] += (isEvent ? 1 : 0) + entry.suppressed
    }

    func expectBalance() {
        for rule in Self.rules {
            let account = gate.ledger[rule.name] ?? RuleAccount()
            let passed = entries[rule.name] ?? 0
            #expect(account.seen == seen[rule.name] ?? 0)
            #expect(account.seen == passed + account.deduplicated + account.limited + account.overflow)
        }
    }

    func expectEverythingShown() {
        for rule in Self.rules {
            let account = gate.ledger[rule.name] ?? RuleAccount()
            #expect((shown[rule.name] ?? 0) + account.overflow == account.seen)
        }
    }
}
