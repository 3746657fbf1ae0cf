import AnomalyModel
import DaemonConfig
import Detectors
import TracingBackends

/// A detector whose programs run in the kernel.
extension DetectorRunner: EventSource {
    var title: String { detector.name.text }
    var detectorName: DetectorName { detector.name }
    var backend: Backend { .libbpf }
    var rules: [Rule] { detector.rules }
    /// Loading takes a moment, in which nothing else is done.
    var isStarting: Bool { false }
    var problem: String? { failure?.description }
    var isPermissionProblem: Bool { failure?.isPermission ?? false }
    var child: BpftraceSession? { nil }
    /// The gate in the kernel lets few events through.
    var isBusy: Bool { false }
    var nextDeadline: UInt64? { hasWaiting ? 0 : nextSweep }
    /// The ring's losses are in the rules' accounts.
    var lostUnjudged: UInt64 { 0 }

    func isWanted(by configuration: Configuration) -> Bool { configuration.enabledDetectors.contains(detector.name) }

    func account(of rule: RuleName) -> RuleAccount {
        detector.rules.firstIndex { $0.name == rule }.map { kernelAccount(rule: $0) } ?? RuleAccount()
    }

    func tick(now: UInt64) throws(BackendError) {
        if hasWaiting { drain(now: now) }
        if let nextSweep, nextSweep <= now { try sweep(now: now) }
    }

    /// The size of a table is fixed when it is made.
    func apply(_ configuration: Configuration) -> Bool {
        configuration.limits.maxKeys == sizes?.maxKeys && configuration.limits.maxMemory == sizes?.maxMemory
            && (try? put(configuration)) != nil
    }

    /// The kernel's tables have them while it runs, and what it saves beside.
    func accountToCarry(of rule: RuleName) -> RuleAccount { isRunning ? RuleAccount() : account(of: rule) }

    /// There is nothing that would go on by itself.
    func beginStop(now: UInt64) {}

    func finishStop(now: UInt64, deadline: UInt64, letOutputCatchUp: () -> Void) throws(BackendError) {
        try stop(now: now, letOutputCatchUp: letOutputCatchUp)
    }

    var statusMembers: [(String, JSON)] {
        [
            ("keys", .number(UInt64(keys))), ("missed", .number(missed)), ("undecodable", .number(undecodable)),
            ("forgotten", .number(forgotten)), ("kernel_memory_bytes", .number(kernelMemoryBytes)),
        ]
    }
}
