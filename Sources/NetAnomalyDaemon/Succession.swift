import AnomalyModel
import TracingBackends

/// What the process before has left of one detector.
struct InheritedDetector {
    /// Its programs and tables.
    let session: InheritedSession
    /// Accounts of sessions before that one.
    let earlier: [RuleName: RuleAccount]
    /// Events taken out of the ring, by rule.
    let received: [RuleName: UInt64]
    let missed: UInt64
    let forgotten: UInt64
    /// Its rules, in the order of its numbers for them.
    private let rules: [RuleName]

    /// - Parameters:
    ///   - state: what that process wrote down last.
    ///   - isUsable: whether it can be believed; else the session can only be ended.
    init(
        _ detector: DetectorName, _ state: StateText, maps: [Int32], hooks: [Int32], isUsable: Bool
    ) throws(StateText.Problem) {
        var layout: UInt64 = 0, position: UInt64 = 0, missed: UInt64 = 0, forgotten: UInt64 = 0
        for line in state["detector"] where try line.word(0) == detector.text {
            (layout, position) = (try line.number(1), try line.number(2))
            (missed, forgotten) = (try line.number(3), try line.number(4))
        }
        var rules: [RuleName] = []
        for line in state["rules"] where try line.word(0) == detector.text {
            for index in 1..<max(1, line.count) { rules.append(RuleName(try line.word(index))) }
        }
        var received: [RuleName: UInt64] = [:], earlier: [RuleName: RuleAccount] = [:]
        for line in state["received"] { received[RuleName(try line.word(0))] = try line.number(1) }
        for line in state["earlier"] { earlier[RuleName(try line.word(0))] = try line.account(1) }
        let names = Set(rules)
        self.received = received.filter { names.contains($0.key) }
        self.earlier = earlier.filter { names.contains($0.key) }
        (self.missed, self.forgotten, self.rules) = (missed, forgotten, rules)
        session = InheritedSession(
            maps: maps, hooks: hooks, layout: isUsable ? layout : nil, position: position)
    }

    /// Its accounts if the session is not gone on with: what lies in its ring is lost. To be asked for when its programs
    /// are switched off.
    func closedBooks() -> [RuleName: RuleAccount] {
        var books = earlier
        for (index, rule) in rules.enumerated() {
            let received = received[rule] ?? 0
            // Counts in an order that is not ours: what was received is all that is known.
            var totals = session.totals(rule: index) ?? KernelTotals()
            totals.emitted = max(totals.emitted, received)
            var account = totals.account
            account.lostRing += totals.emitted - received
            account.seen = account.settled + received
            books[rule] = (books[rule] ?? RuleAccount()) + account
        }
        return books
    }
}

/// What came of what the process before had left of a detector.
enum Succession {
    /// Nothing was missed and nothing forgotten; so many bytes of events had come meanwhile.
    case continued(waiting: UInt64)
    /// It could not be gone on with, for that reason; so its accounts were closed.
    case discarded(because: String, [RuleName: RuleAccount])
}
