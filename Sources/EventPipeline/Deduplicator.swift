public import AnomalyModel

/// Lets one entry per key and interval through and counts the rest into the key's next entry or summary.
///
/// Each key has an account: when it last got an entry, and how many events it has collected since. A key's account is
/// closed by its next event after the interval, or by a summary once the interval has ended without one. No entry
/// follows another of the same key within the interval, summaries included.
///
/// The table never holds more than `GateSettings.maxKeys` keys and evicts none that is in use: an evicted count would
/// be a lost count. A new key that finds no room is `overflow`, but for one event a second and rule.
public struct Deduplicator: Sendable {
    /// What becomes of an event.
    public enum Verdict: Sendable {
        /// It gets an entry: the event, with what its key has collected since the last one.
        case pass(Anomaly)
        /// Its key had an entry less than an interval ago; counted there.
        case deduplicated
        /// A new key, and the table is full.
        case overflow
    }

    /// A key is remembered for its interval, but at least this long: rare repetitions keep their first time, as in the
    /// kernel's gate, and a rule without an interval does not turn every rate-limited event into a summary.
    public static let minimumMemoryNanoseconds: UInt64 = 60_000_000_000

    /// Expired keys are looked for by a walk over the table; once a second keeps that under 0.1 % of a core.
    public static let sweepSpacingNanoseconds: UInt64 = 1_000_000_000

    /// Summaries made by one sweep: a quarter of the output queue.
    ///
    /// So thousands of keys that end together do not push each other out of it; the others follow in the next sweeps.
    public static let maxSummariesPerSweep = 1024

    /// While the table is full, one event of a rule in this time passes all the same, as in the kernel's gate.
    static let fullTableSpacingNanoseconds: UInt64 = 1_000_000_000

    private struct Account {
        /// The newest event, without its stack: the summary's text.
        var newest: Anomaly
        var firstBoottime: UInt64
        var suppressed: UInt64 = 0
        var lastEntry: UInt64?
        /// The entry before `lastEntry`, until it is certain that the limiter lets the latter through.
        var entryBefore: UInt64?
        /// When the collecting of `suppressed` began to count towards a summary.
        var collectingSince: UInt64
        /// The newest event or entry.
        var touched: UInt64
    }

    private var accounts: [AnomalyKey: Account] = [:]
    /// When an event without an account was last let through, by rule.
    private var passedFullTable: [RuleName: UInt64] = [:]
    /// No account needs attention before; .max when there is none.
    private var earliestDue = UInt64.max
    private var nextSweep: UInt64 = 0

    /// Read at every call; replacing them keeps all accounts, even more than a smaller `maxKeys`.
    public var settings: GateSettings {
        didSet { earliestDue = accounts.isEmpty ? .max : 0 }
    }

    /// Starts empty.
    public init(settings: GateSettings) {
        self.settings = settings
    }

    /// Whether a key has an account.
    func knows(_ key: AnomalyKey) -> Bool { accounts[key] != nil }

    /// Keys remembered now.
    public var keyCount: Int { accounts.count }

    /// When `takeExpired` next has something to look at: CLOCK_BOOTTIME in nanoseconds, nil while no key is known.
    public var nextDeadline: UInt64? {
        accounts.isEmpty ? nil : max(earliestDue, nextSweep)
    }

    /// Decides about one event, or lets a summary of an earlier gate through with what its key has collected here.
    ///
    /// An event that was itself the sum of others (`suppressed` > 0) keeps that number: it is collected with it.
    ///
    /// - Parameter now: CLOCK_BOOTTIME in nanoseconds, never less than in an earlier call.
    public mutating func admit(_ event: Anomaly, now: UInt64) -> Verdict {
        guard var account = accounts[event.key] else {
            if event.kind == .summary { return .pass(event) }
            guard accounts.count < settings.maxKeys else {
                guard mayPassFullTable(event.rule.name, now: now) else { return .overflow }
                passedFullTable[event.rule.name] = now
                return .pass(event)
            }
            return pass(
                event,
                Account(
                    newest: event, firstBoottime: event.firstBoottimeNanoseconds, collectingSince: now, touched: now),
                now: now)
        }
        let interval = settings[event.rule.name].dedupIntervalNanoseconds
        if event.kind == .event, let lastEntry = account.lastEntry, now < saturatingSum(lastEntry, interval) {
            if account.suppressed == 0 { account.collectingSince = lastEntry }
            account.suppressed += 1 + event.suppressed
            keep(account, newest: event, now: now)
            return .deduplicated
        }
        return pass(event, account, now: now)
    }

    /// Decides about an event by its identity alone, where that is enough: one that is counted and nothing else.
    ///
    /// A summary then tells of an earlier event of the key, with the times of the last.
    ///
    /// - Returns: nil if `admit` has to see the whole event.
    mutating func settle(_ event: EventIdentity, now: UInt64) -> Verdict? {
        guard let index = accounts.index(forKey: event.key) else {
            return accounts.count < settings.maxKeys || mayPassFullTable(event.key.rule, now: now) ? nil : .overflow
        }
        let interval = settings[event.key.rule].dedupIntervalNanoseconds
        guard let lastEntry = accounts.values[index].lastEntry, now < saturatingSum(lastEntry, interval) else {
            return nil
        }
        if accounts.values[index].suppressed == 0 { accounts.values[index].collectingSince = lastEntry }
        accounts.values[index].suppressed += 1
        accounts.values[index].firstBoottime = min(accounts.values[index].firstBoottime, event.boottimeNanoseconds)
        accounts.values[index].newest.boottimeNanoseconds = event.boottimeNanoseconds
        accounts.values[index].newest.lastBoottimeNanoseconds = event.boottimeNanoseconds
        accounts.values[index].touched = now
        earliestDue = min(earliestDue, due(accounts.values[index]))
        return .deduplicated
    }

    /// Takes back what `admit` let pass and the rate limiter refused: the event and all it carried go to its key again.
    ///
    /// - Parameter passed: the event as `admit` returned it, in the call just before.
    /// - Returns: false if the event had passed a full table: it has no key to go to.
    public mutating func putBack(_ passed: Anomaly, now: UInt64) -> Bool {
        guard var account = accounts[passed.key] else { return false }
        account.lastEntry = account.entryBefore
        account.suppressed = 1 + passed.suppressed
        keep(account, newest: passed, now: now)
        return true
    }

    /// A full table must not hide an attack, although whoever fills it would like that.
    private func mayPassFullTable(_ rule: RuleName, now: UInt64) -> Bool {
        passedFullTable[rule].map { now >= saturatingSum($0, Self.fullTableSpacingNanoseconds) } ?? true
    }

    /// Summaries of the keys whose interval has ended with something collected; forgets keys that have gone idle.
    ///
    /// May be called at any time; looks at the table from `nextDeadline` on, at most once a second.
    public mutating func takeExpired(now: UInt64) -> [Anomaly] {
        guard let deadline = nextDeadline, now >= deadline else { return [] }
        nextSweep = saturatingSum(now, Self.sweepSpacingNanoseconds)
        earliestDue = .max
        var summaries: [Anomaly] = []
        var idle: [AnomalyKey] = []
        // Not over `indices`: they share the storage, and the first change would copy the whole table.
        var index = accounts.startIndex
        while index != accounts.endIndex {
            let account = accounts.values[index]
            let isDue = now >= due(account)
            if isDue, account.suppressed == 0 {
                idle.append(accounts.keys[index])
            } else {
                if isDue, summaries.count < Self.maxSummariesPerSweep {
                    summaries.append(Self.summary(of: account))
                    accounts.values[index].suppressed = 0
                    accounts.values[index].lastEntry = now
                    accounts.values[index].touched = now
                }
                earliestDue = min(earliestDue, due(accounts.values[index]))
            }
            accounts.formIndex(after: &index)
        }
        for key in idle { accounts[key] = nil }
        return summaries
    }

    /// Summaries of all keys that have collected something, and an empty table: for shutdown.
    public mutating func takeAll() -> [Anomaly] {
        let summaries = accounts.values.filter { $0.suppressed > 0 }.map(Self.summary)
        accounts = [:]
        earliestDue = .max
        return summaries
    }

    private mutating func pass(_ event: Anomaly, _ before: Account, now: UInt64) -> Verdict {
        var account = before
        var passed = event
        passed.suppressed += account.suppressed
        passed.firstBoottimeNanoseconds = min(account.firstBoottime, event.firstBoottimeNanoseconds)
        if account.suppressed == 0 { account.collectingSince = now }
        account.suppressed = 0
        account.entryBefore = account.lastEntry
        account.lastEntry = now
        keep(account, newest: event, now: now)
        return .pass(passed)
    }

    private mutating func keep(_ before: Account, newest: Anomaly, now: UInt64) {
        var account = before
        account.newest = newest
        account.newest.stack = []
        account.newest.frames = []
        account.firstBoottime = min(account.firstBoottime, newest.firstBoottimeNanoseconds)
        account.touched = now
        earliestDue = min(earliestDue, due(account))
        accounts[newest.key] = account
    }

    /// When the account ends: by a summary if something was collected, else by being forgotten.
    private func due(_ account: Account) -> UInt64 {
        let interval = settings[account.newest.rule.name].dedupIntervalNanoseconds
        guard account.suppressed > 0 else {
            return saturatingSum(account.touched, max(interval, Self.minimumMemoryNanoseconds))
        }
        return saturatingSum(account.collectingSince, interval > 0 ? interval : Self.minimumMemoryNanoseconds)
    }

    private static func summary(of account: Account) -> Anomaly {
        var summary = account.newest
        summary.kind = .summary
        summary.suppressed = account.suppressed
        summary.firstBoottimeNanoseconds = account.firstBoottime
        return summary
    }
}
