public import AnomalyModel
public import DaemonConfig
public import Detectors
public import TracingBackends

/// One detector at work: its kernel half, and the books that outlive it when it is stopped and started again.
public final class DetectorRunner {
    /// Waiting for the last programs to leave their hooks: tries of a drain each, far more than ever were needed.
    private static let settleTries = 1000

    let detector: any Detector.Type
    private var session: ProbeSession?
    private let handle: (Anomaly) -> Void
    /// Kernel counts of earlier sessions.
    private var closedBooks: [RuleName: RuleAccount] = [:]
    /// `rules DETECTOR NAME…`: which number is which rule.
    private let ruleLine: String
    /// Events taken out of this session's ring, by rule.
    private var received: [RuleName: UInt64] = [:]
    private var missedBefore: UInt64 = 0
    /// As it was at the last sweep: to ask costs a system call for each program.
    private var knownMissed: UInt64 = 0
    private var forgottenBefore: UInt64 = 0

    /// Why the detector does not run although it should.
    public private(set) var failure: BackendError?
    /// Of the tables, as they were made.
    private(set) var sizes: Limits?
    /// When the key table wants its next sweep, CLOCK_BOOTTIME.
    private(set) var nextSweep: UInt64?
    /// Keys in the table at the last sweep.
    private(set) var keys = 0
    /// Ring records that no decoder took: a defect.
    private(set) var undecodable: UInt64 = 0

    /// What the process before has left; the next start takes it.
    var inherited: InheritedDetector?
    /// Called once the programs are on their hooks and before they are switched on.
    ///
    /// What a later process needs is to be put away then, and where is to be returned. Where there is it, records stay
    /// in the ring until `release`.
    var keep: ((ProbeSession) -> Continuity.Place)?
    private var place = Continuity.Place()
    /// What came of `inherited`.
    private(set) var succession: Succession?
    /// Up to where the ring was drained, as the last `release` has it.
    private var releasedPosition: UInt64 = 0
    private var hasMore = false

    /// Nothing is loaded yet.
    ///
    /// - Parameter handle: takes each event and summary, during ``drain(now:)`` and what else fetches them.
    public init(_ detector: any Detector.Type, handle: @escaping (Anomaly) -> Void) {
        self.detector = detector
        self.handle = handle
        ruleLine = (["rules", detector.name.text] + detector.rules.map(\.name.text)).joined(separator: " ")
    }

    var isRunning: Bool { session != nil }
    /// Readable when events wait; nil while the detector does not run.
    public var descriptor: Int32? { session?.descriptor }

    /// Each probe with its state; none while the detector is not wanted.
    public var probes: [(probe: Probe, state: ProbeState)] {
        if let session { return Array(zip(detector.probes, session.states)) }
        return failure.map { failure in detector.probes.map { ($0, .failed(failure.description)) } } ?? []
    }

    /// Packets that probes did not see because they were already running on that CPU.
    var missed: UInt64 { missedBefore + (session?.missed() ?? 0) }

    /// Loads and attaches; rules come into force when every probe is on its hook, so nothing is half counted.
    public func start(_ configuration: Configuration) { Self.start([self], configuration) }

    /// The same for several detectors, whose programs are loaded at the same time.
    public static func start(_ runners: [DetectorRunner], _ configuration: Configuration) {
        let sessions = ProbeSession.load(runners.map { $0.request(configuration.limits) })
        for (runner, session) in zip(runners, sessions) { runner.begin(session, configuration) }
    }

    private func request(_ limits: Limits) -> SessionRequest {
        SessionRequest(
            images: detector.fasterObjects + [detector.object], probes: detector.probes, maxKeys: limits.maxKeys,
            maxMemory: limits.maxMemory, inherited: inherited?.session,
            onRecord: { [unowned self] bytes in receive(bytes) })
    }

    private func begin(_ loaded: Result<ProbeSession, BackendError>, _ configuration: Configuration) {
        do {
            let session = try loaded.get()
            try session.learn(detector.moduleMembers)
            session.attach(now: boottimeNanoseconds())
            place = keep?(session) ?? Continuity.Place()
            try apply(configuration, to: session)
            self.session = session
            releasedPosition = session.position
            succeed(session)
            sizes = configuration.limits
            // Keys that others left may have something to tell.
            nextSweep = 0
            failure = nil
        } catch {
            inherited = nil
            failure = error
        }
    }

    /// Takes over from the programs of the process before, now that it is the turn of ours.
    private func succeed(_ session: ProbeSession) {
        guard let inherited else { return }
        self.inherited = nil
        if let obstacle = session.obstacle {
            inherited.session.switchOff()
            succession = .discarded(because: obstacle, inherited.closedBooks())
        } else {
            closedBooks = inherited.written.earlier
            received = inherited.written.received
            (missedBefore, forgottenBefore) = (inherited.written.missed, inherited.written.forgotten)
            knownMissed = missedBefore
            succession = .continued(waiting: session.waitingBytes)
        }
    }

    /// Puts changed rule settings in force without touching a probe.
    public func put(_ configuration: Configuration) throws(BackendError) {
        // A module may have been loaded since, and a shorter interval may have ended already.
        try session?.learn(detector.moduleMembers)
        guard let session else { return }
        nextSweep = 0
        try apply(configuration, to: session)
    }

    private func apply(_ configuration: Configuration, to session: ProbeSession) throws(BackendError) {
        try session.apply(
            detector.rules.map { configuration.kernelSettings(of: $0) },
            trust: TrustTables(KernelTrust(configuration, rules: detector.rules)))
    }

    /// What the rules about repetition had to forget before its time.
    var forgotten: UInt64 { forgottenBefore + (session?.forgotten() ?? 0) }

    /// Kernel memory that the programs and their tables take, in bytes; 0 while the detector does not run.
    var kernelMemoryBytes: UInt64 { session?.kernelMemoryBytes() ?? 0 }

    /// Takes events out of the ring and hands them on.
    public func drain(now: UInt64) {
        hasMore = false
        guard let session, session.drain() > 0 else { return }
        if keep == nil { release() }
        // Keys exist from the first event on; a sweep finds out when they need attention.
        nextSweep = min(nextSweep ?? .max, now)
    }

    /// Has quiet keys summarised and idle ones forgotten.
    func sweep(now: UInt64) throws(BackendError) {
        guard let session else { return }
        // Also if it fails: it must not be tried without a pause.
        nextSweep = now + Self.sweepSpacing
        let result = try session.sweep(now: now)
        keys = result.keys
        knownMissed = missed
        nextSweep = result.nextNanoseconds.map { max($0, now + Self.sweepSpacing) }
        if result.isIncomplete { nextSweep = now + Self.sweepSpacing }
        drain(now: now)
    }

    /// Gives back the room of what was drained: the state that it led to is kept, or nobody keeps any.
    func release() {
        guard let session else { return }
        hasMore = session.release()
        releasedPosition = session.position
    }

    /// Has no program think any more that those of another process, which are about to leave their hooks, judge with it.
    func forgetTurns() { session?.forgetTurns() }

    /// True if something was drained since the last `release`.
    var isUncommitted: Bool { keep != nil && session.map { $0.position != releasedPosition } ?? false }
    /// True if events wait of which the descriptor may not tell.
    var hasWaiting: Bool { hasMore }

    /// What another process has to know to go on, beside what the kernel's own tables say.
    func save(to state: inout StateText) {
        guard let session else { return }
        state.add(ruleLine)
        state.add(
            "detector", detector.name.text, numbers: session.layout, session.position, knownMissed, forgottenBefore,
            place.maps, place.hooks, UInt64(place.hookCount))
        for (rule, count) in received { state.add("received", rule.text, numbers: count) }
        for (rule, account) in closedBooks { state.add("earlier", rule.text, account: account) }
    }

    /// At most this often: a sweep walks the table.
    private static let sweepSpacing: UInt64 = 1_000_000_000

    /// Fetches what waits, and leaves the rest to another process: the programs go on.
    func pause(letOutputCatchUp: () -> Void) {
        guard let session else { return }
        knownMissed = missed
        for _ in 0..<Self.settleTries {
            let count = session.drain()
            letOutputCatchUp()
            if count == 0 { break }
        }
    }

    /// Detaches, fetches every event and every summary, and closes the books.
    ///
    /// - Parameter letOutputCatchUp: called between portions, so that they fit into the output's queue.
    func stop(now: UInt64, letOutputCatchUp: () -> Void) throws(BackendError) {
        guard let session else { return }
        session.detach()
        defer { closeBooks(session) }
        try settle(session, letOutputCatchUp)
        var isIncomplete = true
        while isIncomplete {
            isIncomplete = try session.sweep(now: now, isFinal: true).isIncomplete
            drain(now: now)
            letOutputCatchUp()
        }
    }

    /// Also after a failure: a detached session must not pass for a running one.
    private func closeBooks(_ session: ProbeSession) {
        for (index, rule) in detector.rules.enumerated() { closedBooks[rule.name] = kernelAccount(rule: index) }
        missedBefore += session.missed()
        forgottenBefore += session.forgotten()
        self.session = nil
        received = [:]
        (nextSweep, keys) = (nil, 0)
    }

    /// What the kernel counted for a rule, over all sessions.
    func kernelAccount(rule index: Int) -> RuleAccount {
        let name = detector.rules[index].name
        let current = try? session?.totals(rule: index).account
        return (closedBooks[name] ?? RuleAccount()) + (current ?? RuleAccount())
    }

    /// A program may still run on another CPU for a moment after it was detached: its event is waited for.
    private func settle(_ session: ProbeSession, _ letOutputCatchUp: () -> Void) throws(BackendError) {
        for _ in 0..<Self.settleTries {
            drain(now: 0)
            letOutputCatchUp()
            var isComplete = true
            for (index, rule) in detector.rules.enumerated() {
                let totals = try session.totals(rule: index)
                if totals.emitted != received[rule.name] ?? 0 || totals.account.seen != inKernel(totals) {
                    isComplete = false
                }
            }
            if isComplete || undecodable > 0 { return }
        }
    }

    private func inKernel(_ totals: KernelTotals) -> UInt64 { totals.account.settled + totals.emitted }

    private func receive(_ bytes: UnsafeRawBufferPointer) {
        do {
            let anomaly = try detector.decode(bytes)
            if anomaly.kind == .event {
                for rule in [anomaly.rule.name] + anomaly.also { received[rule, default: 0] += 1 }
            }
            handle(anomaly)
        } catch {
            undecodable += 1
        }
    }
}

extension TrustTables {
    /// What the administrator trusts, as the programs look it up.
    fileprivate init(_ trust: KernelTrust) {
        self.init(
            globs: trust.globs,
            macs: trust.macs.map {
                Prefix(
                    bytes: networkBytes($0.prefix.bits, count: 6), length: $0.prefix.length, flags: $0.flags,
                    ignoredRules: $0.ignoredRules)
            },
            addresses: trust.addresses.map {
                Prefix(
                    bytes: networkBytes(UInt64($0.prefix.bits), count: 4), length: $0.prefix.length, flags: $0.flags,
                    ignoredRules: $0.ignoredRules)
            },
            bindings: trust.bindings.map { Binding(address: $0.address.bits, mac: $0.mac.bits) }
                + trust.boundAddresses.map { Binding(address: $0.bits, mac: 0) })
    }
}

/// The lowest bytes of a number, first byte highest.
private func networkBytes(_ number: UInt64, count: Int) -> [UInt8] {
    (1...count).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * (count - $0))) }
}

extension Configuration {
    /// A rule's settings as the in-kernel gate wants them.
    func kernelSettings(of rule: Rule) -> KernelRuleSettings {
        guard let settings = rules[rule.name] else {
            preconditionFailure("the configuration was made with every rule")
        }
        return KernelRuleSettings(
            isEnabled: settings.isEnabled, dedupIntervalNanoseconds: settings.dedupIntervalNanoseconds,
            rateLimitIntervalNanoseconds: settings.rateLimitIntervalNanoseconds,
            rateLimitBurst: settings.rateLimitBurst, threshold: settings.threshold ?? 0)
    }
}
