import AnomalyModel
import TracingBackends

/// What the process before has written down about one detector.
struct WrittenDetector {
    /// Accounts of sessions before the one that was left.
    private(set) var earlier: [RuleName: RuleAccount] = [:]
    /// Events taken out of the ring, by rule.
    private(set) var received: [RuleName: UInt64] = [:]
    private(set) var missed: UInt64 = 0
    private(set) var forgotten: UInt64 = 0
    /// Its rules, in the order of its numbers for them.
    private(set) var rules: [RuleName] = []
    private(set) var layout: UInt64 = 0
    /// Up to where the ring was read.
    private(set) var position: UInt64 = 0
    /// Under which names the store has it.
    private(set) var place = Continuity.Place()

    init(_ detector: DetectorName, in state: StateText) throws(StateText.Problem) {
        try self.init(countsOf: detector, in: state)
        for line in state["detector"] where try line.word(0) == detector.text {
            (layout, position) = (try line.number(1), try line.number(2))
            (missed, forgotten) = (try line.amount(3), try line.amount(4))
            place = Continuity.Place(
                maps: try line.number(5), hooks: try line.number(6), hookCount: Int(try line.amount(7)))
        }
        let names = Set(rules)
        for line in state["earlier"] {
            let rule = RuleName(try line.word(0))
            if names.contains(rule) { earlier[rule] = try line.account(1) }
        }
    }

    /// What is written in the same form in every layout: how much of the ring is known.
    init(countsOf detector: DetectorName, in state: StateText) throws(StateText.Problem) {
        for line in state["rules"] where try line.word(0) == detector.text {
            for index in 1..<max(1, line.count) { rules.append(RuleName(try line.word(index))) }
        }
        let names = Set(rules)
        for line in state["received"] {
            let rule = RuleName(try line.word(0))
            if names.contains(rule) { received[rule] = try line.amount(1) }
        }
    }
}

/// What the process before has left of one detector.
struct InheritedDetector {
    /// Its programs and tables.
    let session: InheritedSession
    let written: WrittenDetector
    private let isUsable: Bool

    /// - Parameters:
    ///   - maps, hooks: as `InheritedSession` takes them.
    ///   - isUsable: whether the state as a whole goes on; else the session can only be ended.
    ///   - rules: the detector's in this version, in the order of its numbers for them.
    init(_ written: WrittenDetector, maps: [Int32], hooks: [Int32], isUsable: Bool, rules: [RuleName]) {
        (self.written, self.isUsable) = (written, isUsable)
        session = InheritedSession(
            maps: maps, hooks: hooks, layout: isUsable && written.rules == rules ? written.layout : nil,
            position: written.position, wantedHooks: written.place.hookCount)
    }

    /// Its accounts if the session is not gone on with: what lies in its ring is lost.
    ///
    /// To be asked for when its programs are switched off. Where the whole state is given up, so is what became of the
    /// events before: only those in the ring are counted.
    func closedBooks() -> [RuleName: RuleAccount] {
        var books = isUsable ? written.earlier : [:]
        for (index, rule) in written.rules.enumerated() {
            let received = written.received[rule] ?? 0
            // Counts in an order that is not ours: what was received is all that is known.
            let totals = session.totals(rule: index) ?? KernelTotals()
            var account = isUsable ? totals.account : RuleAccount()
            account.lostRing += max(totals.emitted, received) - received
            account.seen = account.settled + (isUsable ? received : 0)
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
