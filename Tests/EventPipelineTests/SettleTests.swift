import AnomalyModel
import EventPipeline
import Testing

/// `Gate.settle`: the same decisions as `admit`, for the price of an identity.
@Suite struct SettleTests {
    @Test(arguments: 1...12 as ClosedRange<UInt64>)
    func `a gate that settles first means the same as one that admits all`(_ seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var pair = Pair(settings: Pair.settings(&random))
        for _ in 0..<4000 { pair.step(&random) }
        let (expected, summaries) = (pair.plain.takeAll(), pair.quick.takeAll())
        pair.expectSame(expected, summaries)
        #expect(pair.plain.ledger == pair.quick.ledger)
        #expect(pair.settled > 0 && pair.admitted > 0, "both ways were taken")
    }

    @Test func `the first of a key, and the first after its interval, have to be seen whole`() {
        var gate = Gate(settings: GateSettings(common: limits(dedup: 10), maxKeys: 4))
        #expect(gate.settle(identity(anomaly()), now: 0) == false)
        #expect(gate.ledger.isEmpty, "what is left to admit is not booked twice")
        #expect(gate.admit(anomaly(), now: 0) != nil)
        #expect(gate.settle(identity(anomaly()), now: seconds(10) - 1) == true)
        #expect(gate.settle(identity(anomaly()), now: seconds(10)) == false)
        #expect(gate.admit(anomaly(), now: seconds(10))?.suppressed == 1)
    }

    @Test func `a rule without an interval settles nothing`() {
        var gate = Gate(settings: GateSettings(common: limits(dedup: 0), maxKeys: 4))
        for now: UInt64 in 0..<5 {
            #expect(gate.settle(identity(anomaly()), now: now) == false)
            #expect(gate.admit(anomaly(), now: now) != nil)
        }
    }

    @Test func `a key that the limiter refused is not settled: its next event may pass`() {
        var gate = Gate(settings: GateSettings(common: limits(dedup: 1000, interval: 100, burst: 1), maxKeys: 4))
        #expect(gate.admit(anomaly(key: 1), now: 0) != nil)
        #expect(gate.admit(anomaly(key: 2), now: 0) == nil)
        #expect(gate.settle(identity(anomaly(key: 2)), now: seconds(100)) == false)
        #expect(gate.admit(anomaly(key: 2), now: seconds(100))?.suppressed == 1)
    }

    @Test func `what finds no room is counted, for every rule that the packet breaks`() {
        var gate = Gate(settings: GateSettings(common: limits(dedup: 10), maxKeys: 1))
        #expect(gate.admit(anomaly(key: 1), now: 0) != nil)
        #expect(gate.settle(identity(anomaly(key: 2, also: [tinySize.name])), now: 1) == false, "one a second")
        #expect(gate.admit(anomaly(key: 2, also: [tinySize.name]), now: 1) != nil)
        #expect(gate.settle(identity(anomaly(key: 3, also: [tinySize.name])), now: 2) == true)
        #expect(gate.settle(identity(anomaly(key: 1, also: [tinySize.name])), now: 1) == true)
        var both = RuleAccount()
        (both.seen, both.deduplicated, both.overflow) = (3, 1, 1)
        #expect(gate.ledger[tinySize.name] == both)
        both.seen = 4
        #expect(gate.ledger[conflict.name] == both)
    }

    @Test func `a new key over the limit takes no memory, until the rule may write again`() {
        var gate = Gate(settings: GateSettings(common: limits(dedup: 10, interval: 10, burst: 1), maxKeys: 4))
        #expect(gate.admit(anomaly(key: 1), now: 0) != nil)
        #expect(gate.settle(identity(anomaly(key: 2)), now: 1) == true)
        #expect(gate.settle(identity(anomaly(key: 1)), now: 1) == true, "a known one is deduplicated")
        #expect(gate.settle(identity(anomaly(key: 2)), now: seconds(10)) == false)
        #expect(gate.admit(anomaly(key: 2), now: seconds(10))?.suppressed == 0)
        var account = RuleAccount()
        (account.seen, account.overflow, account.deduplicated) = (4, 1, 1)
        #expect(gate.ledger[conflict.name] == account)
    }

    @Test func `a debt of hours does not outlive shorter settings, if new keys alone come`() {
        var gate = Gate(settings: GateSettings(common: limits(dedup: 0, interval: 36_000, burst: 1), maxKeys: 4))
        #expect(gate.admit(anomaly(key: 1), now: 0) != nil)
        gate.settings.common = limits(dedup: 0, interval: 10, burst: 2)
        #expect(gate.settle(identity(anomaly(key: 2)), now: seconds(1)) == true)
        #expect(gate.settle(identity(anomaly(key: 3)), now: seconds(6) - 1) == true)
        #expect(gate.settle(identity(anomaly(key: 4)), now: seconds(6)) == false)
        #expect(gate.admit(anomaly(key: 4), now: seconds(6)) != nil)
    }

    @Test func `a summary tells of an earlier event, with the time of the last`() {
        var gate = Gate(settings: GateSettings(common: limits(dedup: 10), maxKeys: 4))
        #expect(gate.admit(anomaly(at: 100), now: 100) != nil)
        for time: UInt64 in [200, 300] { #expect(gate.settle(identity(anomaly(at: time)), now: time) == true) }
        let summaries = gate.takeExpired(now: seconds(11))
        #expect(summaries.map(\.suppressed) == [2] && summaries.map(\.message) == [anomaly().message])
        #expect(summaries.map(\.firstBoottimeNanoseconds) == [100])
        #expect(summaries.map(\.lastBoottimeNanoseconds) == [300] && summaries.map(\.boottimeNanoseconds) == [300])
    }
}

private func identity(_ event: Anomaly) -> EventIdentity {
    EventIdentity(key: event.key, also: event.also, boottimeNanoseconds: event.boottimeNanoseconds)
}

/// Two gates that see the same events: one whole, the other by their identities as far as these go.
private struct Pair {
    private static let rules = [conflict, tinySize]

    private(set) var settled = 0
    private(set) var admitted = 0
    var plain: Gate
    var quick: Gate
    private var now: UInt64 = 1_000_000

    init(settings: GateSettings) {
        plain = Gate(settings: settings)
        quick = Gate(settings: settings)
    }

    /// Sometimes fewer keys than there are, intervals from none to long.
    ///
    /// Without a limit: what is over it, the two gates count differently.
    static func settings(_ random: inout SeededGenerator) -> GateSettings {
        func some() -> RuleLimits { limits(dedup: .random(in: 0...20, using: &random)) }
        return GateSettings(
            limits: [tinySize.name: some()], common: some(), maxKeys: .random(in: 1...60, using: &random))
    }

    mutating func step(_ random: inout SeededGenerator) {
        switch UInt32.random(in: 0..<1000, using: &random) {
        case 0..<3:
            plain.settings = Self.settings(&random)
            quick.settings = plain.settings
        case 3..<10: now += seconds(.random(in: 0...80, using: &random))
        case 10..<30:
            #expect(plain.nextDeadline == quick.nextDeadline)
            expectSame(plain.takeExpired(now: now), quick.takeExpired(now: now))
        default:
            now += .random(in: 0...200_000_000, using: &random)
            let rule = Self.rules[Int.random(in: 0...1, using: &random)]
            let key = UInt64.random(in: 0...40, using: &random)
            // The same for every event of a key: what else is different is the first's in one gate, the last's in the other.
            let also = key % 3 == 0 ? Self.rules.map(\.name).filter { $0 != rule.name } : []
            // CPUs are read one after the other: what comes later may be older.
            let age = UInt64.random(in: 0...50_000_000, using: &random)
            give(anomaly(rule, key: key, at: now - min(now, age), also: also))
        }
    }

    private mutating func give(_ event: Anomaly) {
        let expected = plain.admit(event, now: now)
        if quick.settle(identity(event), now: now) {
            settled += 1
            #expect(expected == nil, "an entry is lost")
        } else {
            admitted += 1
            let entry = quick.admit(event, now: now)
            expectSame(expected.map { [$0] } ?? [], entry.map { [$0] } ?? [])
        }
    }

    func expectSame(_ left: [Anomaly], _ right: [Anomaly]) {
        #expect(left.map(Self.told).sorted() == right.map(Self.told).sorted())
    }

    /// All that an entry tells of what its key collected.
    private static func told(_ anomaly: Anomaly) -> String {
        "\(anomaly.kind) \(anomaly.key) \(anomaly.also) \(anomaly.suppressed) \(anomaly.boottimeNanoseconds) "
            + "\(anomaly.firstBoottimeNanoseconds) \(anomaly.lastBoottimeNanoseconds)"
    }
}
