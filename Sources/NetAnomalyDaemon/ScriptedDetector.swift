import AnomalyModel
import CDetectorEvents
import DaemonConfig
import Detectors
import EventPipeline
import Glibc
import TracingBackends

/// Where the events of a source go: the daemon's event path.
struct EventSink {
    /// Decides by identity alone, see `Gate.settle`.
    let settle: (EventIdentity) -> Bool
    /// How many events of a rule have come here.
    let seen: (RuleName) -> UInt64
    /// Takes a whole event.
    let handle: (Anomaly) -> Void
    /// Writes what the daemon has to say.
    let tell: (DaemonNotice) -> Void
}

/// One detector whose facts bpftrace gathers; it judges them here.
final class ScriptedDetector<D: BpftraceDetector>: EventSource {
    /// Of each CPU's buffer, in pages: 2 MB hold a second of a flood that bpftrace can print.
    private static var bufferPages: String { "512" }

    let backend = Backend.bpftrace
    private let sink: EventSink
    private let dropReasons: DropReasons
    private var watch: BpftraceWatch?
    private var judge: HostJudge?
    private var lines: SightJudge?
    private var arguments: [String] = []
    private var hasDropReason = true
    /// Of earlier judges.
    private var closed: [RuleName: UInt64] = [:]
    private var forgottenBefore: UInt64 = 0
    private var undecodableBefore: UInt64 = 0

    init(_ detector: D.Type, dropReasons: DropReasons, sink: EventSink) {
        self.dropReasons = dropReasons
        self.sink = sink
    }

    var title: String { D.name.text }
    var detectorName: DetectorName { D.name }
    var rules: [Rule] { D.rules }
    var isRunning: Bool { watch?.isRunning ?? false }
    var isStarting: Bool { watch?.isStarting ?? false }
    var problem: String? { watch?.problem?.description }
    var isPermissionProblem: Bool { if case .notPermitted = watch?.problem { true } else { false } }
    var descriptor: Int32? { watch?.descriptor }
    var child: BpftraceSession? { watch?.session }
    var isBusy: Bool { watch?.isBusy ?? false }
    var nextDeadline: UInt64? { [watch?.nextDeadline, lines?.nextDeadline()].compactMap(\.self).min() }
    var lostUnjudged: UInt64 { (watch?.lost ?? 0) + undecodable }

    var probes: [(probe: Probe, state: ProbeState)] {
        guard let watch else { return [] }
        if let problem = watch.problem { return D.probes.map { ($0, .failed(problem.description)) } }
        return D.probes.map { probe in
            (
                probe,
                probe.hook == "kfree_skb" && !hasDropReason
                    ? .missing("this kernel's kfree_skb does not tell why") : .attached
            )
        }
    }

    func isWanted(by configuration: Configuration) -> Bool { configuration.enabledDetectors.contains(D.name) }

    func account(of rule: RuleName) -> RuleAccount {
        var account = RuleAccount()
        account.seen = sink.seen(rule)
        account.trusted = closed[rule] ?? 0
        if let judge, let number = D.rules.firstIndex(where: { $0.name == rule }) {
            account.trusted += judge.trusted(rule: number)
        }
        return account
    }

    // MARK: Life

    func start(_ configuration: Configuration) {
        let now = boottimeNanoseconds()
        guard
            let judge = HostJudge(
                memoryEntries: D.needsOrder ? configuration.limits.maxMemory : 0,
                cpus: UInt32(clamping: sysconf(Int32(_SC_NPROCESSORS_CONF))),
                seed: UInt64.random(in: 1...UInt64.max))
        else { preconditionFailure("\(configuration.limits.maxMemory) entries of memory are not there") }
        self.judge = judge
        lines = D.sightJudge(judge) { [unowned self] identity, whole in deliver(identity, whole) }
        judge.forgetAsked(now: now)
        judge.set(HostReasons.of(dropReasons))
        put(configuration, into: judge)
        arguments = D.arguments(conditions(configuration))
        hasDropReason = ScriptSurroundings.hasDropReason
        let watch = watch ?? makeWatch()
        self.watch = watch
        let program = BpftraceProgram(
            name: D.name.text, source: .embedded(ScriptSurroundings.adapted(D.script)), arguments: arguments,
            environment: ["BPFTRACE_PERF_RB_PAGES": Self.bufferPages], executable: configuration.bpftracePath,
            readiness: .lines(["ready 1", "ready 2"]), hasHeartbeat: true)
        watch.start(program, now: now, onText: { [unowned self] in lines?.take($0, $1) })
    }

    private func makeWatch() -> BpftraceWatch {
        BpftraceWatch(
            title: D.name.text, detector: D.name, tell: sink.tell,
            // Who asked may be among what is lost.
            onLoss: { [unowned self] now in judge?.forgetAsked(now: now) })
    }

    func apply(_ configuration: Configuration) -> Bool {
        guard let judge, arguments == D.arguments(conditions(configuration)) else { return false }
        put(configuration, into: judge)
        return true
    }

    private func put(_ configuration: Configuration, into judge: HostJudge) {
        for (number, rule) in D.rules.enumerated() {
            let settings = configuration.rules[rule.name]
            judge.set(
                rule: number, isEnabled: settings?.isEnabled ?? false, threshold: settings?.threshold ?? 0)
        }
        judge.setTrust(KernelTrust(configuration, rules: D.rules))
    }

    private func conditions(_ configuration: Configuration) -> ScriptConditions {
        ScriptConditions(
            enabledRules: Set(configuration.rules.filter(\.value.isEnabled).keys),
            thresholds: configuration.rules.compactMapValues(\.threshold),
            deviceHeaderReason: dropReasons.number(of: "DEV_HDR"),
            layout: ScriptSurroundings.layout(of: D.moduleMembers))
    }

    func drain(now: UInt64) {
        watch?.drain(now: now)
        lines?.judgeWaiting(now)
    }

    func tick(now: UInt64) {
        watch?.tick(now: now)
        lines?.judgeWaiting(now)
    }

    func beginStop(now: UInt64) { watch?.beginStop(now: now) }

    func finishStop(now: UInt64, deadline: UInt64, letOutputCatchUp: () -> Void) {
        watch?.finishStop(deadline: deadline)
        lines?.judgeAll()
        undecodableBefore = undecodable
        lines = nil
        letOutputCatchUp()
        guard let judge else { return }
        for (number, rule) in D.rules.enumerated() {
            closed[rule.name, default: 0] += judge.trusted(rule: number)
        }
        forgottenBefore += judge.forgotten
        self.judge = nil
    }

    // MARK: Events

    /// Lines that are none of the script's, and events that are none of ours: both are defects.
    private var undecodable: UInt64 { undecodableBefore + (lines?.undecodable() ?? 0) }

    private func deliver(_ event: EventIdentity, _ whole: () throws(DecodeError) -> Anomaly) {
        if sink.settle(event) { return }
        do throws(DecodeError) {
            sink.handle(try whole())
        } catch {
            undecodableBefore += 1
        }
    }

    var statusMembers: [(String, JSON)] {
        [("undecodable", .number(undecodable)), ("forgotten", .number(forgottenBefore + (judge?.forgotten ?? 0)))]
            + (watch.map { [("bpftrace", $0.status)] } ?? [])
    }
}

extension HostJudge {
    fileprivate func setTrust(_ trust: KernelTrust) {
        func mark(_ flags: UInt32, _ rules: UInt32) -> na_trust_mark { na_trust_mark(flags: flags, rules: rules) }
        let isComplete = setTrust(
            globs: trust.globs,
            macs: trust.macs.map { ($0.prefix.bits, $0.prefix.length, mark($0.flags, $0.ignoredRules)) },
            addresses: trust.addresses.map { ($0.prefix.bits, $0.prefix.length, mark($0.flags, $0.ignoredRules)) },
            bindings: trust.bindings.map { ($0.address.bits, $0.mac.bits) })
        precondition(isComplete, "a few hundred kilobytes are there")
    }
}

/// The drop reasons that rules look at, by the running kernel's numbers.
enum HostReasons {
    private static let telling = [
        "NETFILTER_DROP", "QDISC_DROP", "TC_INGRESS", "TC_EGRESS", "XDP", "CPU_BACKLOG", "FULL_RING", "NOMEM",
    ]
    private static let beforeReception = ["CPU_BACKLOG", "XDP", "TC_INGRESS"]

    static func of(_ reasons: DropReasons) -> na_host_reasons {
        var result = na_host_reasons()
        let telling = bits(Self.telling, reasons), before = bits(beforeReception, reasons)
        result.telling = (telling[0], telling[1], telling[2], telling[3])
        result.before_reception = (before[0], before[1], before[2], before[3])
        result.not_specified = reasons.number(of: "NOT_SPECIFIED") ?? NA_REASON_NONE
        result.device_header = reasons.number(of: "DEV_HDR") ?? NA_REASON_NONE
        result.bad_gso = reasons.number(of: "SKB_BAD_GSO") ?? NA_REASON_NONE
        return result
    }

    private static func bits(_ names: [String], _ reasons: DropReasons) -> [UInt64] {
        var words = [UInt64](repeating: 0, count: Int(NA_REASON_WORDS))
        for number in names.compactMap({ reasons.number(of: $0) }) where number < 64 * UInt32(NA_REASON_WORDS) {
            words[Int(number / 64)] |= 1 << UInt64(number % 64)
        }
        return words
    }
}
