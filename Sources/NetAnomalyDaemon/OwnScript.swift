import AnomalyModel
import DaemonConfig
import Detectors
import TracingBackends

/// A script of the administrator's own, named by a section `[Script <name>]`.
///
/// Its reports take the way of every other event.
final class OwnScript: EventSource {
    /// A script that says nothing when it is ready is taken for it after so long.
    private static let proofNanoseconds: UInt64 = 1_000_000_000

    private(set) var settings: ScriptSettings
    let backend = Backend.bpftrace
    private let sink: EventSink
    /// Takes each report.
    private let handle: (Anomaly) -> Void
    private var reports: ScriptRules
    private var watch: BpftraceWatch?
    private var executable = ""
    private var seen: [RuleName: UInt64] = [:]
    private var unreadable: UInt64 = 0

    init(_ settings: ScriptSettings, sink: EventSink, handle: @escaping (Anomaly) -> Void) {
        self.settings = settings
        self.sink = sink
        self.handle = handle
        reports = ScriptRules(name: settings.name, priority: settings.priority, keyFields: settings.keyFields)
    }

    var title: String { "script \(settings.name)" }
    var detectorName: DetectorName { ScriptRules.detector }
    var rules: [Rule] { reports.rules.values.sorted { $0.name.text < $1.name.text } }
    var isRunning: Bool { watch?.isRunning ?? false }
    var isStarting: Bool { watch?.isStarting ?? false }
    var problem: String? { watch?.problem?.description }
    var isPermissionProblem: Bool { if case .notPermitted = watch?.problem { true } else { false } }
    var descriptor: Int32? { watch?.descriptor }
    var child: BpftraceSession? { watch?.session }
    var isBusy: Bool { watch?.isBusy ?? false }
    var nextDeadline: UInt64? { watch?.nextDeadline }
    var probes: [(probe: Probe, state: ProbeState)] { [] }
    var lostUnjudged: UInt64 { (watch?.lost ?? 0) + unreadable }

    func isWanted(by configuration: Configuration) -> Bool {
        configuration.scripts.contains { $0.name == settings.name && $0.isEnabled }
    }

    func account(of rule: RuleName) -> RuleAccount {
        var account = RuleAccount()
        account.seen = seen[rule] ?? 0
        return account
    }

    func start(_ configuration: Configuration) {
        adopt(configuration)
        executable = configuration.bpftracePath
        let path = settings.path
        let program = BpftraceProgram(
            name: settings.name, source: .file { try ScriptFile.open(path) }, arguments: settings.arguments,
            executable: executable, readiness: .alive(nanoseconds: Self.proofNanoseconds))
        let watch =
            watch
            ?? BpftraceWatch(title: title, detector: detectorName, tell: sink.tell, onLoss: { _ in })
        self.watch = watch
        watch.start(
            program, now: boottimeNanoseconds(), onText: { [unowned self] text, _ in receive(text) },
            onValue: { [unowned self] in receive($0) })
    }

    /// Also changes what is left of the settings, where the process may stay.
    func apply(_ configuration: Configuration) -> Bool {
        let old = settings
        adopt(configuration)
        return old.path == settings.path && old.arguments == settings.arguments
            && executable == configuration.bpftracePath
    }

    private func adopt(_ configuration: Configuration) {
        guard let new = configuration.scripts.first(where: { $0.name == settings.name }) else { return }
        settings = new
        reports.priority = new.priority
        reports.keyFields = new.keyFields
    }

    func drain(now: UInt64) { watch?.drain(now: now) }
    func tick(now: UInt64) { watch?.tick(now: now) }
    func beginStop(now: UInt64) { watch?.beginStop(now: now) }

    func finishStop(now: UInt64, deadline: UInt64, letOutputCatchUp: () -> Void) {
        watch?.finishStop(deadline: deadline)
        letOutputCatchUp()
    }

    // MARK: Reports

    private func receive(_ text: [UInt8]) {
        do {
            if let report = try ScriptReport(text: text) { try take(report) }
        } catch {
            refuse(error)
        }
    }

    private func receive(_ tuple: [String]) {
        do {
            try take(try ScriptReport(tuple: tuple))
        } catch {
            refuse(error)
        }
    }

    private func take(_ report: ScriptReport) throws(UnreadableReport) {
        var anomaly = try reports.anomaly(report, now: boottimeNanoseconds())
        anomaly.backend = "bpftrace"
        seen[anomaly.rule.name, default: 0] += 1
        handle(anomaly)
    }

    /// The first is told, all are counted.
    private func refuse(_ problem: UnreadableReport) {
        unreadable += 1
        if unreadable == 1 { sink.tell(Notices.scriptUnreadable(title, detectorName, problem.description)) }
    }

    var statusMembers: [(String, JSON)] {
        [("path", .string(settings.path)), ("unreadable_reports", .number(unreadable))]
            + (watch.map { [("bpftrace", $0.status)] } ?? [])
    }
}
