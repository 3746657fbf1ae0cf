public import AnomalyModel
internal import CDetectorEvents
import CLibbpf
import Glibc

/// One detector's kernel half at work: its BPF object, its ring, its gate.
///
/// Records reach `onRecord` during `drain()`, on the caller's thread, and stay in the ring until `release()`.
/// Not Sendable: the event loop owns it.
public final class ProbeSession {
    /// Records one drain takes: a flood of what the limits let through must not keep the loop from all else.
    private static let drainBudget = 512
    /// Needs Linux 5.14, as nothing else that every detector has.
    private static let sweepProgram = "sweep_keys"
    /// Summaries one sweep may write: half of what the ring holds, so that events keep their room.
    private static let sweepBudget: UInt32 = 200

    /// Where the detector remembers: what a session of another process goes on with.
    ///
    /// All else is configuration, or is only used while a program runs.
    static let inheritedMaps = [configMap, "events", "keys", "totals", "overflows", "buckets", "turns"] + optionalMaps
    /// Those that not every detector has.
    static let optionalMaps = ["memory", "forgotten", "last_sent", "last_heard"]
    /// Names the programs whose turn it is.
    static let configMap = "config"

    private var object: LoadedObject
    private var ring = na_ring()
    private let probes: [Probe]
    private let cpus = Int(libbpf_num_possible_cpus())
    private let settingsMap: CInt
    private let totalsMap: CInt
    private let forgottenMap: CInt
    private let memorySets: UInt32
    /// Of this session's programs, among all that use the same tables.
    private let turn = UInt64.random(in: 1...UInt64.max)
    /// Of the memory's hash, so that nobody outside can choose what is forgotten.
    private let seed: UInt64
    /// When the session began that this one goes on with.
    private let inheritedStart: UInt64?
    private var trust = TrustMaps()
    private var startedNanoseconds: UInt64 = 0
    private let onRecord: (UnsafeRawBufferPointer) -> Void
    /// Why programs were left out when the object was loaded.
    private let refused: [String: ProbeState]
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
        object = try Self.load(request, turn: turn, entries: entries, refused: &refused)
        let before = object.obstacle == nil ? request.inherited?.configuration : nil
        seed = before?.seed ?? .random(in: 1...UInt64.max)
        inheritedStart = before?.started_ns
        self.refused = refused
        probes = request.probes
        onRecord = request.onRecord
        settingsMap = object.mapDescriptor("settings")
        totalsMap = object.mapDescriptor("totals")
        forgottenMap = object.mapDescriptor("forgotten")
        try openRing(from: before == nil ? nil : request.inherited?.position)
    }

    deinit {
        if ring.bytes > 0 { na_ring_close(&ring) }
    }

    private static func load(
        _ request: SessionRequest, turn: UInt64, entries: [String: UInt32], refused: inout [String: ProbeState]
    ) throws(BackendError) -> LoadedObject {
        for image in request.images.dropLast() {
            if let object = try? LoadedObject(image, turn: turn, entries: entries, inherited: request.inherited) {
                return object
            }
        }
        guard let image = request.images.last else { throw .unusable(object: "detector", reason: "it has no programs") }
        return try load(image, request, turn: turn, entries: entries, refused: &refused)
    }

    /// Loads what can be loaded: a program that the kernel does not take is left out and the rest tried again.
    private static func load(
        _ image: ProbeObject, _ request: SessionRequest, turn: UInt64, entries: [String: UInt32],
        refused: inout [String: ProbeState]
    ) throws(BackendError) -> LoadedObject {
        let probes = request.probes
        while true {
            do {
                return try LoadedObject(
                    image, turn: turn, without: Set(refused.keys), entries: entries, inherited: request.inherited)
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

    private func openRing(from position: UInt64?) throws(BackendError) {
        let descriptor = object.mapDescriptor("events")
        var facts = bpf_map_info()
        guard na_map_facts(descriptor, &facts) != 0 else {
            throw .failed(what: "Cannot ask for the size of the ring buffer", code: errno)
        }
        let failure = na_ring_open(&ring, descriptor, UInt64(facts.max_entries))
        guard failure == 0 else { throw .failed(what: "Cannot map the ring buffer", code: failure) }
        if let position { na_ring_skip(&ring, position) }
    }

    /// Attaches every loaded program to its hook and notes how each fared.
    ///
    /// - Parameter now: CLOCK_BOOTTIME; what was before is not known to rules that remember.
    public func attach(now: UInt64) {
        startedNanoseconds = inheritedStart ?? now
        states = probes.map { probe in
            if let state = refused[probe.program] { return state }
            guard let code = object.attach(probe.program) else { return .attached }
            return .failed("cannot attach to tracepoint \(probe.hook): \(errorText(code))")
        }
    }

    /// Takes the programs off their hooks; what is in the ring and the key table can still be fetched.
    public func detach() {
        // Whoever keeps the links' descriptors keeps the programs on their hooks: they must not count any more.
        _ = try? object.write(object.mapDescriptor(Self.configMap), slot: 0, na_config())
        object.detachAll()
    }

    /// Readable when events wait.
    public var descriptor: CInt { object.mapDescriptor("events") }

    /// Hands waiting records to `onRecord`, a bounded number of them, and returns how many there were.
    @discardableResult
    public func drain() -> Int {
        var drained = 0
        while drained < Self.drainBudget, let record = nextRecord() {
            onRecord(record)
            drained += 1
        }
        return drained
    }

    private func nextRecord() -> UnsafeRawBufferPointer? {
        var count = 0
        guard let bytes = na_ring_next(&ring, &count) else { return nil }
        return UnsafeRawBufferPointer(start: bytes, count: count)
    }

    /// Gives the room of the drained records back: what they led to is kept, or nobody will ask.
    ///
    /// - Returns: true if more waits, of which the descriptor may not tell.
    public func release() -> Bool {
        na_ring_release(&ring)
        return na_ring_has_more(&ring) != 0
    }

    /// Bytes of records in the ring that were not drained yet.
    public var waitingBytes: UInt64 { na_ring_waiting(&ring) }

    // MARK: What another process may go on with

    /// See `InheritedSession`.
    public var layout: UInt64 { object.layout }
    /// Up to where the ring was drained.
    public var position: UInt64 { ring.position }
    /// Why it does not go on with what was inherited; nil if it does, or nothing was.
    public var obstacle: String? { object.obstacle }
    /// True if its tables are those of a session of another process.
    public var isContinued: Bool { inheritedStart != nil }
    /// Where it remembers.
    public var keptMaps: [CInt] { Self.inheritedMaps.map { object.mapDescriptor($0) }.filter { $0 >= 0 } }
    /// Takes away the marks of programs that judged before these; to be called before they leave their hooks.
    public func forgetTurns() {
        let none = [UInt64](repeating: 0, count: cpus)
        for hook in 0..<UInt32(NA_HOOKS_MAX) {
            var hook = hook
            _ = bpf_map_update_elem(object.mapDescriptor("turns"), &hook, none, UInt64(BPF_ANY))
        }
    }

    /// What holds its programs on their hooks.
    public var keptHooks: [CInt] { object.linkDescriptors }

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
            turn: turn, started_ns: startedNanoseconds, seed: seed, enabled: enabled, memory_sets: memorySets,
            has_globs: tables.namesInterfaces ? 1 : 0, has_trust: tables.namesSenders ? 1 : 0,
            generation: trust.generation, reserved: 0)
        try object.write(object.mapDescriptor(Self.configMap), slot: 0, config)
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
        let values = try object.readPerCPU(totalsMap, slot: UInt32(rule), cpus: cpus, zero: na_rule_totals())
        return KernelTotals(perCPU: values)
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
        return (try? object.readPerCPU(forgottenMap, slot: 0, cpus: cpus, zero: UInt64(0)))?.reduce(0, +) ?? 0
    }

    /// Kernel memory that programs and maps take, in bytes.
    public func kernelMemoryBytes() -> UInt64 { object.kernelMemoryBytes() }
}
