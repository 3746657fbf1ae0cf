import AnomalyModel
import DaemonConfig
import TracingBackends

/// Something that brings events: a detector's programs in the kernel, its script under bpftrace, or a script of the
/// administrator's own.
///
/// The daemon's loop waits for `descriptor` and `nextDeadline` and calls `drain` and `tick`; events go the way that the
/// source was given when it was made.
protocol EventSource: AnyObject {
    /// As in records and status: `arp`, or `script <name>`.
    var title: String { get }
    /// What its records stand under.
    var detectorName: DetectorName { get }
    /// What runs its probes.
    var backend: Backend { get }
    /// The rules it judges; those of an own script as it names them.
    var rules: [Rule] { get }
    /// True while it watches.
    var isRunning: Bool { get }
    /// True until it is known whether it watches.
    var isStarting: Bool { get }
    /// Why it does not watch although it should.
    var problem: String? { get }
    /// True if another user or unit would succeed.
    var isPermissionProblem: Bool { get }
    /// Readable when there is something for `drain`.
    var descriptor: Int32? { get }
    /// True if what it writes comes faster than it is worth being woken for each.
    var isBusy: Bool { get }
    /// When `tick` is due, CLOCK_BOOTTIME.
    var nextDeadline: UInt64? { get }
    /// Each probe with its state; none of a script that is not ours.
    var probes: [(probe: Probe, state: ProbeState)] { get }
    /// Lines of bpftrace that were lost before anything judged them: they are in no rule's account.
    var lostUnjudged: UInt64 { get }

    /// What it counted for a rule before the gate in this process had a look.
    func account(of rule: RuleName) -> RuleAccount
    /// Whether the configuration wants it.
    func isWanted(by configuration: Configuration) -> Bool
    /// Fetches what waits.
    func drain(now: UInt64)
    /// Does what is due.
    func tick(now: UInt64) throws(BackendError)
    /// Puts changed settings in force without a gap; false if it must be started again for them.
    func apply(_ configuration: Configuration) -> Bool
    /// Starts to watch.
    func start(_ configuration: Configuration)
    /// Its child under bpftrace, if it has one.
    var child: BpftraceSession? { get }
    /// Begins to stop; `finishStop` ends it.
    func beginStop(now: UInt64)
    /// Fetches the last events and closes the books.
    ///
    /// - Parameters:
    ///   - deadline: CLOCK_BOOTTIME; nothing is waited for beyond it.
    ///   - letOutputCatchUp: called between portions, so that they fit into the output's queue.
    func finishStop(now: UInt64, deadline: UInt64, letOutputCatchUp: () -> Void) throws(BackendError)
    /// Members of its object in the status.
    var statusMembers: [(String, JSON)] { get }

    /// True if it has brought something whose source is kept until `release`.
    var isUncommitted: Bool { get }
    /// What it brought is in the committed state.
    func release()
    /// What another process has to know to go on with it.
    func save(to state: inout StateText)
    /// A rule's account as far as it ends with this process.
    func accountToCarry(of rule: RuleName) -> RuleAccount
}

/// A source that ends with the process leaves its accounts, and that is all.
extension EventSource {
    var isUncommitted: Bool { false }
    func release() {}
    func save(to state: inout StateText) {}
    func accountToCarry(of rule: RuleName) -> RuleAccount { account(of: rule) }
}
