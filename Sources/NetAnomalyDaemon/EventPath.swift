import AnomalyModel
import DaemonConfig
import Detectors
import EventPipeline
import SystemdProtocols
import TracingBackends

/// The way of one event from a detector to the output: gate, enrich, compose, write.
///
/// Owned by the loop. Also keeps the journal's loss reports coming: once it works again, the first thing written is what it missed.
struct EventPath {
    private var gate: Gate
    /// By the name of each script; those of scripts that are gone are kept for their accounts.
    private var scriptGates: [String: Gate] = [:]
    private var maxKeysOfScript: Int
    private let enricher = Enricher()
    private let namer: FrameNamer?
    private let dropReasons = DropReasons()
    private var composer: RecordComposer
    private(set) var output: RecordQueue
    /// The gate's clock: events of different CPUs may come a little out of order.
    private var latest: UInt64 = 0
    /// True once something was written since the last accounting record.
    private(set) var hasNews = false
    /// What gates of earlier processes have decided.
    private var earlier: [RuleName: RuleAccount] = [:]
    /// True if something was decided that is not in the committed state.
    private var isUndecided = false

    /// - Parameters:
    ///   - memory: where records wait.
    ///   - isKept: whether another process may go on with it; then nothing is sent that is not committed.
    init(
        _ configuration: Configuration, transport: any RecordTransport, namer: FrameNamer?, memory: StateMemory,
        isKept: Bool
    ) {
        gate = Gate(settings: configuration.gateSettings)
        maxKeysOfScript = Int(configuration.limits.maxKeys)
        composer = RecordComposer(priorities: configuration.priorities)
        output = RecordQueue(transport: transport, memory: memory, isKept: isKept)
        self.namer = namer
    }

    /// True if stacks get names.
    var namesFrames: Bool { namer != nil }
    /// The number the next record gets.
    var nextSequence: UInt64 { composer.nextSequence }
    /// When something here wants attention, CLOCK_BOOTTIME.
    var nextDeadline: UInt64? {
        ([gate.nextDeadline, output.nextRetry] + scriptGates.values.map(\.nextDeadline)).compactMap { $0 }.min()
    }

    /// What runs the probes, for what the daemon says about itself.
    var backend: String? {
        get { composer.backend }
        set { composer.backend = newValue }
    }

    /// Puts a new configuration in force; keys, counts and numbers go on.
    mutating func apply(_ configuration: Configuration) {
        gate.settings = configuration.gateSettings
        maxKeysOfScript = Int(configuration.limits.maxKeys)
        composer.priorities = configuration.priorities
    }

    /// Gives a script a gate of its own: what it reports cannot take the room of our rules' keys.
    mutating func limit(_ script: ScriptSettings) {
        let settings = GateSettings(
            common: RuleLimits(
                dedupIntervalNanoseconds: script.dedupIntervalNanoseconds,
                rateLimitIntervalNanoseconds: script.rateLimitIntervalNanoseconds,
                rateLimitBurst: script.rateLimitBurst),
            maxKeys: maxKeysOfScript)
        if scriptGates[script.name] == nil { scriptGates[script.name] = Gate(settings: settings) }
        scriptGates[script.name]?.settings = settings
    }

    /// Takes one report of a script as far as it goes.
    mutating func handle(_ report: Anomaly, ofScript name: String, now: UInt64) {
        (hasNews, isUndecided) = (true, true)
        latest = max(latest, report.boottimeNanoseconds)
        guard let admitted = scriptGates[name]?.admit(report, now: latest) else { return }
        write(admitted, now: now)
    }

    /// Decides about an event by its identity alone; false if the whole of it has to be handled.
    mutating func settle(_ event: EventIdentity) -> Bool {
        (hasNews, isUndecided) = (true, true)
        latest = max(latest, event.boottimeNanoseconds)
        return gate.settle(event, now: latest)
    }

    /// Takes one anomaly as far as it goes.
    mutating func handle(_ anomaly: Anomaly, now: UInt64) {
        (hasNews, isUndecided) = (true, true)
        latest = max(latest, anomaly.boottimeNanoseconds)
        guard let admitted = gate.admit(anomaly, now: latest) else { return }
        write(admitted, now: now)
    }

    /// Writes what the daemon has to say about itself.
    mutating func write(_ notice: DaemonNotice, now: UInt64) {
        output.enqueue(composer.compose(notice, boottimeNanoseconds: now), now: now)
    }

    /// Writes what has become due, and tries the output again.
    mutating func tick(now: UInt64) {
        var summaries = gate.takeExpired(now: now)
        for name in scriptGates.keys { summaries += scriptGates[name]?.takeExpired(now: now) ?? [] }
        for summary in summaries { write(summary, now: now) }
        flush(now: now)
    }

    /// Tries the output, as far as what waits is committed.
    mutating func flush(now: UInt64) {
        output.flush(now: now)
        if let report = output.takeRecoveredLoss() { write(Notices.journalLoss(report), now: now) }
    }

    // MARK: What another process goes on with

    /// True if something is not in the committed state.
    var isUncommitted: Bool { isUndecided || output.isUncommitted }

    /// Puts the state in force; false if it has no room.
    mutating func commit(_ state: StateText) -> Bool {
        isUndecided = false
        return output.commit(state.text)
    }

    func save(to state: inout StateText) {
        state.add("sequence", numbers: nextSequence)
        output.save(to: &state)
        for rule in Set(earlier.keys).union(ledgers.flatMap(\.keys)) {
            state.add("decided", rule.text, account: decided(rule))
        }
    }

    mutating func restore(_ state: StateText, now: UInt64) throws(StateText.Problem) {
        let sequence = try state.amount("sequence")
        for line in state["decided"] { earlier[RuleName(try line.word(0))] = try line.account(1) }
        try output.restore(state, now: now)
        guard sequence > UInt64(output.waiting) else { throw StateText.Problem("'sequence' is less than what waits") }
        composer = RecordComposer(backend: backend, priorities: composer.priorities, nextSequence: sequence)
    }

    /// Forgets what became of all other rules' events.
    mutating func forget(allBut rules: Set<RuleName>) {
        gate.forget(allBut: rules)
        for name in scriptGates.keys { scriptGates[name]?.forget(allBut: rules) }
        earlier = earlier.filter { rules.contains($0.key) }
        output.forget(allBut: rules)
        isUndecided = true
    }

    private var ledgers: [[RuleName: RuleAccount]] { [gate.ledger] + scriptGates.values.map(\.ledger) }

    /// What gates have decided about a rule's events, in this process and before.
    private func decided(_ rule: RuleName) -> RuleAccount {
        var sum = earlier[rule] ?? RuleAccount()
        for ledger in ledgers { if let account = ledger[rule] { sum = sum + account } }
        return sum
    }

    /// Every outstanding summary, to be written with `write`.
    mutating func takeAllSummaries() -> [Anomaly] {
        var summaries = gate.takeAll()
        for name in scriptGates.keys { summaries += scriptGates[name]?.takeAll() ?? [] }
        return summaries
    }

    /// Gives up what the output has not taken.
    mutating func abandon(now: UInt64) { output.abandon(now: now) }

    /// Starts a new accounting period.
    mutating func beginPeriod() { hasNews = false }

    /// How many events of a rule have come to the gate.
    func seen(_ rule: RuleName) -> UInt64 { gate.ledger[rule]?.seen ?? 0 }

    /// The account of a rule of which the kernel counted `kernel`.
    func account(_ rule: RuleName, kernel: RuleAccount) -> RuleAccount {
        let decided = decided(rule)
        let delivery = output.deliveries[rule] ?? Delivery()
        var account = kernel
        account.deduplicated += decided.deduplicated
        account.limited += decided.limited
        account.overflow += decided.overflow
        account.written += delivery.written
        account.lostJournal += delivery.lost
        return account
    }

    /// Writes an event or a summary that has passed the gate.
    mutating func write(_ anomaly: Anomaly, now: UInt64) {
        let frames = namer?.names(of: anomaly.stack) ?? anomaly.stack.map(FrameNamer.plain)
        let location = anomaly.dropLocation == 0 ? nil : namer?.names(of: [anomaly.dropLocation]).first
        var enriched = enricher.enrich(anomaly, frames: frames, dropLocation: location)
        if let reason = anomaly.dropReason { enriched.dropReason = dropReasons.name(of: reason) }
        output.enqueue(composer.compose(enriched), now: now)
    }
}

extension Configuration {
    /// Priorities that the administrator set, by rule.
    var priorities: [RuleName: Priority] { rules.compactMapValues(\.priorityOverride) }

    /// The gate's settings: the same as the kernel's.
    var gateSettings: GateSettings {
        let limits = rules.mapValues {
            RuleLimits(
                dedupIntervalNanoseconds: $0.dedupIntervalNanoseconds,
                rateLimitIntervalNanoseconds: $0.rateLimitIntervalNanoseconds, rateLimitBurst: $0.rateLimitBurst)
        }
        let common = RuleLimits(
            dedupIntervalNanoseconds: self.limits.dedupIntervalNanoseconds,
            rateLimitIntervalNanoseconds: self.limits.rateLimitIntervalNanoseconds,
            rateLimitBurst: self.limits.rateLimitBurst)
        return GateSettings(limits: limits, common: common, maxKeys: Int(self.limits.maxKeys) * allDetectors.count)
    }
}
