public import AnomalyModel
internal import CDetectorEvents
import CLibbpf
import Glibc

/// How one probe fares on this kernel.
public enum ProbeState: Sendable, Equatable {
    case attached
    /// The kernel has no such hook, with the reason in words.
    case missing(String)
    /// Not attached although there is such a hook, with the reason in words.
    case failed(String)

    /// Why it is not attached; nil where it is.
    public var reason: String? {
        switch self {
        case .attached: nil
        case .missing(let reason), .failed(let reason): reason
        }
    }
}

/// What the kernel counted for one rule: `RuleAccount`'s kernel part, and what was put into the ring.
public struct KernelTotals: Sendable, Equatable {
    /// Everything but `written` and `lostJournal`, which only the daemon can know.
    public var account = RuleAccount()
    /// Events put into the ring.
    public var emitted: UInt64 = 0

    /// Nothing counted.
    public init() {}
}

/// One rule's settings for the in-kernel gate.
public struct KernelRuleSettings: Sendable, Equatable {
    /// Whether the rule is judged at all.
    public var isEnabled: Bool
    /// Events of one key within this time of its last entry are only counted; 0 emits all.
    public var dedupIntervalNanoseconds: UInt64
    /// With `rateLimitBurst`: how many entries of the rule are let through in this time.
    public var rateLimitIntervalNanoseconds: UInt64
    /// At least 1.
    public var rateLimitBurst: UInt32
    /// The rule's own number, 0 if it has none.
    public var threshold: UInt32

    /// Makes settings.
    public init(
        isEnabled: Bool, dedupIntervalNanoseconds: UInt64, rateLimitIntervalNanoseconds: UInt64,
        rateLimitBurst: UInt32, threshold: UInt32
    ) {
        self.isEnabled = isEnabled
        self.dedupIntervalNanoseconds = dedupIntervalNanoseconds
        self.rateLimitIntervalNanoseconds = rateLimitIntervalNanoseconds
        self.rateLimitBurst = rateLimitBurst
        self.threshold = threshold
    }
}

/// What a sweep of the key table found.
public struct SweepResult: Sendable, Equatable {
    /// Keys still in the table.
    public var keys: Int
    /// When the next key wants attention, CLOCK_BOOTTIME; nil when the table is empty.
    public var nextNanoseconds: UInt64?
    /// Summaries are left that found no room in the ring or no budget: drain, then sweep again.
    public var isIncomplete: Bool
}

/// One detector's kernel half at work: its BPF object, its ring, its gate.
///
/// Records reach `onRecord` during `drain()`, on the caller's thread. Not Sendable: the event loop owns it.
public final class ProbeSession {
    /// Records one drain takes: a flood of what the limits let through must not keep the loop from all else.
    private static let drainBudget = 512
    /// Needs Linux 5.14, as nothing else that every detector has.
    private static let sweepProgram = "sweep_keys"
    /// Summaries one sweep may write: half of what the ring holds, so that events keep their room.
    private static let sweepBudget: UInt32 = 200

    private var object: LoadedObject
    private var ring: OpaquePointer?
    private let probes: [Probe]
    private let cpus = Int(libbpf_num_possible_cpus())
    private let settingsMap: CInt
    private let totalsMap: CInt
    private let forgottenMap: CInt
    private let memorySets: UInt32
    /// Of the memory's hash, so that nobody outside can choose what is forgotten.
    private let seed = UInt64.random(in: 1...UInt64.max)
    private var trust = TrustMaps()
    private var startedNanoseconds: UInt64 = 0
    private let onRecord: (UnsafeRawBufferPointer) -> Void
    /// Why programs were left out when the object was loaded.
    private let refused: [String: ProbeState]
    /// Records of the drain that runs.
    private var drained = 0
    /// Each probe's state, in the detector's order.
    public private(set) var states: [ProbeState] = []

    /// Loads the object with every program this kernel takes; attaches nothing yet.
    ///
    /// - Throws: `unusable` when no probe's program can be loaded, `refused` when bpf() itself is.
    public init(_ request: SessionRequest) throws(BackendError) {
        var refused: [String: ProbeState] = [:]
        let ways = UInt32(NA_MEMORY_WAYS)
        memorySets = (request.maxMemory + ways - 1) / ways
        let entries = ["keys": request.maxKeys, "memory": memorySets]
        object = try Self.load(request.images, probes: request.probes, entries: entries, refused: &refused)
        self.refused = refused
        probes = request.probes
        onRecord = request.onRecord
        settingsMap = object.mapDescriptor("settings")
        totalsMap = object.mapDescriptor("totals")
        forgottenMap = object.mapDescriptor("forgotten")
        try openRing()
    }

    deinit {
        if let ring { ring_buffer__free(ring) }
    }

    private static func load(
        _ images: [ProbeObject], probes: [Probe], entries: [String: UInt32], refused: inout [String: ProbeState]
    ) throws(BackendError) -> LoadedObject {
        for image in images.dropLast() {
            if let object = try? LoadedObject(image, entries: entries) { return object }
        }
        guard let image = images.last else { throw .unusable(object: "detector", reason: "it has no programs") }
        return try load(image, probes: probes, entries: entries, refused: &refused)
    }

    /// Loads what can be loaded: a program that the kernel does not take is left out and the rest tried again.
    private static func load(
        _ image: ProbeObject, probes: [Probe], entries: [String: UInt32], refused: inout [String: ProbeState]
    ) throws(BackendError) -> LoadedObject {
        while true {
            do {
                return try LoadedObject(image, without: Set(refused.keys), entries: entries)
            } catch {
                if error.code == EPERM || error.code == EACCES && error.program == nil { throw .refused }
                if error.program == sweepProgram { throw .kernelTooOld }
                guard let program = error.program, refused[program] == nil,
                    let probe = probes.first(where: { $0.program == program })
                else {
                    let said = error.log.last.map { "\($0): " } ?? ""
                    throw .unusable(object: image.name, reason: said + errorText(error.code))
                }
                refused[program] = state(after: error, probe: probe)
                if refused.count == probes.count { throw .unusable(object: image.name, reason: summary(refused)) }
            }
        }
    }

    /// Why not a single program could be loaded.
    private static func summary(_ refused: [String: ProbeState]) -> String {
        for case .failed(let reason) in refused.values { return reason }
        return "this kernel has none of its hooks"
    }

    private static func state(after failure: LoadFailure, probe: Probe) -> ProbeState {
        if failure.code == ESRCH || failure.code == ENOENT {
            return .missing("this kernel has no tracepoint \(probe.hook) with type information")
        }
        let said = failure.log.last { $0.contains("prog '\(probe.program)'") } ?? errorText(failure.code)
        return .failed("the kernel does not accept the program for \(probe.hook) (\(said))")
    }

    private func openRing() throws(BackendError) {
        let context = Unmanaged.passUnretained(self).toOpaque()
        ring = ring_buffer__new(object.mapDescriptor("events"), receiveRecord, context, nil)
        if ring == nil { throw .failed(what: "Cannot map the ring buffer", code: errno) }
    }

    /// Attaches every loaded program to its hook and notes how each fared.
    ///
    /// - Parameter now: CLOCK_BOOTTIME; what was before is not known to rules that remember.
    public func attach(now: UInt64) {
        startedNanoseconds = now
        states = probes.map { probe in
            if let state = refused[probe.program] { return state }
            guard let code = object.attach(probe.program) else { return .attached }
            return .failed("cannot attach to tracepoint \(probe.hook): \(errorText(code))")
        }
    }

    /// Takes the programs off their hooks; what is in the ring and the key table can still be fetched.
    public func detach() { object.detachAll() }

    /// Readable when events wait.
    public var descriptor: CInt { ring.map { ring_buffer__epoll_fd($0) } ?? -1 }

    /// Hands waiting records to `onRecord`, a bounded number of them, and returns how many there were.
    ///
    /// The descriptor stays readable while there are more.
    @discardableResult
    public func drain() -> Int {
        guard let ring else { return 0 }
        drained = 0
        // Its answer is the last callback's refusal, or a count we have already.
        _ = ring_buffer__consume(ring)
        return drained
    }

    /// Puts the rules' settings and what is trusted in force, at once and without detaching anything.
    ///
    /// - Parameter settings: one per rule, in the detector's order.
    public func apply(_ settings: [KernelRuleSettings], trust tables: TrustTables) throws(BackendError) {
        try trust.fill(tables, in: object)
        var enabled: UInt32 = 0
        for (index, rule) in settings.enumerated() {
            let value = na_rule_settings(
                dedup_interval_ns: rule.dedupIntervalNanoseconds,
                token_interval_ns: rule.rateLimitIntervalNanoseconds / UInt64(max(1, rule.rateLimitBurst)),
                burst_window_ns: rule.rateLimitIntervalNanoseconds, threshold: rule.threshold, reserved: 0)
            try object.write(settingsMap, slot: UInt32(index), value)
            if rule.isEnabled { enabled |= 1 << UInt32(index) }
        }
        let config = na_config(
            started_ns: startedNanoseconds, seed: seed, enabled: enabled, memory_sets: memorySets,
            has_globs: tables.namesInterfaces ? 1 : 0, has_trust: tables.namesSenders ? 1 : 0,
            generation: trust.generation, reserved: 0)
        try object.write(object.mapDescriptor("config"), slot: 0, config)
    }

    /// Tells the programs where members of modules' structures are, as far as the modules are loaded.
    ///
    /// - Parameter members: in the order of the detector's numbers for them.
    /// - Throws: `failed` when the map cannot be written.
    public func learn(_ members: [ModuleMember]) throws(BackendError) {
        let map = object.mapDescriptor("member_offsets")
        for (index, offset) in ModuleTypes.offsets(of: members).enumerated() {
            // 0 is "not known" in the map.
            if let offset { try object.write(map, slot: UInt32(index), offset + 1) }
        }
    }

    /// What the kernel counted for the rule of that number since the session began.
    public func totals(rule: Int) throws(BackendError) -> KernelTotals {
        let sum = try object.readPerCPU(totalsMap, slot: UInt32(rule), cpus: cpus, zero: na_rule_totals()) { sum, one in
            sum.seen += one.seen
            sum.emitted += one.emitted
            sum.deduplicated += one.deduplicated
            sum.limited += one.limited
            sum.overflow += one.overflow
            sum.lost_ring += one.lost_ring
            sum.trusted += one.trusted
        }
        var totals = KernelTotals()
        totals.emitted = sum.emitted
        totals.account.seen = sum.seen
        totals.account.deduplicated = sum.deduplicated
        totals.account.limited = sum.limited
        totals.account.overflow = sum.overflow
        totals.account.lostRing = sum.lost_ring
        totals.account.trusted = sum.trusted
        return totals
    }

    /// Writes summaries of quiet keys into the ring and forgets idle keys.
    ///
    /// - Parameter isFinal: writes the summary of every key, quiet or not.
    public func sweep(now: UInt64, isFinal: Bool = false) throws(BackendError) -> SweepResult {
        var sweep = na_sweep()
        sweep.now_ns = now
        sweep.budget = Self.sweepBudget
        sweep.is_final = isFinal ? 1 : 0
        try object.run(Self.sweepProgram, &sweep)
        return SweepResult(
            keys: Int(sweep.keys), nextNanoseconds: sweep.next_ns == 0 ? nil : sweep.next_ns,
            isIncomplete: sweep.ring_full != 0 || sweep.budget == 0)
    }

    /// Packets a probe did not see because its program was already running on that CPU.
    public func missed() -> UInt64 {
        probes.reduce(0) { $0 + object.recursionMisses($1.program) }
    }

    /// What the programs had to forget before its time, because other things came to be remembered.
    public func forgotten() -> UInt64 {
        // Only detectors with rules about repetition have the map.
        guard forgottenMap >= 0 else { return 0 }
        return (try? object.readPerCPU(forgottenMap, slot: 0, cpus: cpus, zero: UInt64(0)) { $0 += $1 }) ?? 0
    }

    /// Kernel memory that programs and maps take, in bytes.
    public func kernelMemoryBytes() -> UInt64 { object.kernelMemoryBytes() }

    /// Takes one record; a negative answer ends the drain behind it.
    fileprivate func receive(_ record: UnsafeRawBufferPointer) -> CInt {
        onRecord(record)
        drained += 1
        return drained < Self.drainBudget ? 0 : -EAGAIN
    }
}

/// libbpf's callback: the context is the session, which outlives the ring it owns.
private func receiveRecord(
    context: UnsafeMutableRawPointer?, data: UnsafeMutableRawPointer?, size: Int
) -> CInt {
    guard let context, let data else { return 0 }
    return Unmanaged<ProbeSession>.fromOpaque(context).takeUnretainedValue()
        .receive(UnsafeRawBufferPointer(start: data, count: size))
}
