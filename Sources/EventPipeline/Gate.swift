public import AnomalyModel

/// Deduplicates, then limits, and keeps the books: per rule, seen = passed + deduplicated + limited + overflow.
///
/// It means the same as the gate inside the kernel program, and every event passes it: it is the whole gate where a
/// backend has none, and a second fence, with the same settings, behind one that has. It books what it decides itself:
/// what an event carries as `suppressed` was booked by whoever suppressed it.
public struct Gate: Sendable {
    private var deduplicator: Deduplicator
    private var limiter: RateLimiter

    /// The verdicts so far; `written`, `lostRing` and `lostJournal` stay 0: what passes has its fate further on.
    ///
    /// One entry per rule: as many as the program and its configuration name, and scripts until `forget`.
    public private(set) var ledger: [RuleName: RuleAccount] = [:]

    /// Replacing them, at reload, keeps keys, counts and used-up bursts.
    public var settings: GateSettings {
        didSet {
            deduplicator.settings = settings
            limiter.settings = settings
        }
    }

    /// Starts empty.
    public init(settings: GateSettings) {
        self.settings = settings
        deduplicator = Deduplicator(settings: settings)
        limiter = RateLimiter(settings: settings)
    }

    /// When `takeExpired` next has something to do: CLOCK_BOOTTIME in nanoseconds, nil while no key is known.
    public var nextDeadline: UInt64? { deduplicator.nextDeadline }

    /// The anomaly to write, with the counts of its key, or nil if it was only counted.
    ///
    /// Summaries always pass: they end an account, and refusing one would only make another.
    ///
    /// - Parameter now: CLOCK_BOOTTIME in nanoseconds, never less than in an earlier call.
    public mutating func admit(_ anomaly: Anomaly, now: UInt64) -> Anomaly? {
        book(anomaly, \.seen)
        switch deduplicator.admit(anomaly, now: now) {
        case .overflow:
            book(anomaly, \.overflow)
            return nil
        case .deduplicated:
            book(anomaly, \.deduplicated)
            return nil
        case .pass(let passed):
            guard passed.kind == .event, !limiter.admit(anomaly.rule.name, now: now) else { return passed }
            let hasKey = deduplicator.putBack(passed, now: now)
            book(anomaly, hasKey ? \.limited : \.overflow)
            return nil
        }
    }

    /// Decides about an event by its identity alone, where that is enough; what a flood consists of costs no more.
    ///
    /// So a new key whose rule may not write is counted as `overflow`: it gets no account, where it would have to be
    /// kept whole. Whoever invents keys takes no memory so.
    ///
    /// - Returns: true if the event was counted and is done with; false if it has to be made and given to `admit`.
    public mutating func settle(_ event: EventIdentity, now: UInt64) -> Bool {
        let fate: WritableKeyPath<RuleAccount, UInt64>
        switch deduplicator.settle(event, now: now) {
        case .deduplicated: fate = \.deduplicated
        case .overflow: fate = \.overflow
        case nil where !deduplicator.knows(event.key) && limiter.refuses(event.key.rule, now: now):
            fate = \.overflow
        case .pass, nil: return false
        }
        book(event.key.rule, event.also, fate, isNew: true)
        return true
    }

    private mutating func book(_ anomaly: Anomaly, _ fate: WritableKeyPath<RuleAccount, UInt64>) {
        guard anomaly.kind == .event else { return }
        book(anomaly.rule.name, anomaly.also, fate, isNew: false)
    }

    /// A packet that breaks several rules counts for each of them.
    ///
    /// - Parameter isNew: whether it is to be counted as seen, too.
    private mutating func book(
        _ rule: RuleName, _ also: [RuleName], _ fate: WritableKeyPath<RuleAccount, UInt64>, isNew: Bool
    ) {
        ledger[rule, default: RuleAccount()].add(fate, isNew: isNew)
        for rule in also { ledger[rule, default: RuleAccount()].add(fate, isNew: isNew) }
    }

    /// Drops the verdicts about all other rules.
    public mutating func forget(allBut rules: Set<RuleName>) { ledger = ledger.filter { rules.contains($0.key) } }

    /// Summaries that are due, see `Deduplicator.takeExpired`; what they count is in the ledger already.
    public mutating func takeExpired(now: UInt64) -> [Anomaly] { deduplicator.takeExpired(now: now) }

    /// All outstanding summaries, for shutdown.
    public mutating func takeAll() -> [Anomaly] { deduplicator.takeAll() }
}

extension RuleAccount {
    fileprivate mutating func add(_ fate: WritableKeyPath<RuleAccount, UInt64>, isNew: Bool) {
        self[keyPath: fate] += 1
        if isNew { seen += 1 }
    }
}
