import AnomalyModel
import DaemonConfig
import Detectors
import EventPipeline
import Glibc
import SystemdProtocols
import TracingBackends

/// What watches, and what runs it.
extension Daemon {
    private var sink: EventSink {
        EventSink(
            settle: { [unowned self] in path.settle($0) }, seen: { [unowned self] in path.seen($0) },
            handle: { [unowned self] in path.handle($0, now: boottimeNanoseconds()) },
            tell: { [unowned self] in write($0) })
    }

    /// Starts everything that the configuration wants; `settleStart` finds out what came of it.
    ///
    /// - Returns: nil, or why nothing can be watched.
    func start() -> BackendError? {
        restoreState()
        if let problem = startDetectors() { return problem }
        startScripts()
        continuity.discardUnclaimed()
        forgetOldRules()
        return settleStart() ? nil : unwatchable
    }

    /// Why a start has failed, for the exit status.
    var unwatchable: BackendError {
        let problem = sources.compactMap(\.problem).first ?? "nothing is watched"
        return .backend(problem, isPermission: sources.contains(where: \.isPermissionProblem))
    }

    private func startDetectors() -> BackendError? {
        guard configuration.backend != .bpftrace else {
            startWithBpftrace()
            return nil
        }
        let problem = startWithLibbpf()
        guard let problem, configuration.backend == .auto, !problem.isPermission, Self.canRunBpftrace(configuration)
        else { return problem }
        write(Notices.fellBack(because: problem.description))
        startWithBpftrace()
        return nil
    }

    /// Why nothing can be watched, as far as it is known before anything is touched.
    static func firstProblem(_ configuration: Configuration) -> BackendError? {
        switch configuration.backend {
        case .libbpf: KernelRequirements.firstProblem()
        case .bpftrace: whatBpftraceLacks.map { .backend($0, isPermission: true) }
        case .auto:
            KernelRequirements.firstProblem().flatMap { problem in
                problem.isPermission || !canRunBpftrace(configuration) ? problem : nil
            }
        }
    }

    /// bpftrace itself would say it in a hundred lines about types that it cannot find.
    private static var whatBpftraceLacks: String? {
        let user = geteuid()
        if user != 0 { return BpftraceFailure.notPermitted(missing: "as user \(user)").description }
        guard case .capabilitiesMissing(let names) = KernelRequirements.firstProblem() else { return nil }
        return BpftraceFailure.notPermitted(missing: "without \(names.joined(separator: " and "))").description
    }

    private func startWithLibbpf() -> BackendError? {
        path.backend = Backend.libbpf.rawValue
        if let problem = KernelRequirements.firstProblem() { return problem }
        let runners = allDetectors.map { detector in
            DetectorRunner(detector) { [unowned self] in path.handle($0, now: boottimeNanoseconds()) }
        }
        let wanted = runners.filter { $0.isWanted(by: configuration) }
        for runner in runners { handOver(to: runner) }
        DetectorRunner.start(wanted, configuration)
        if !wanted.isEmpty, !wanted.contains(where: \.isRunning) { return wanted.first?.failure }
        for runner in wanted {
            if runner.isRunning {
                settleSuccession(of: runner)
            } else {
                closeInherited(runner.detector, "it cannot be watched")
            }
        }
        sources = runners
        wanted.compactMap(\.descriptor).forEach { loop.watch($0) }
        return nil
    }

    /// Gives a detector what the process before has left of it, or closes that if it is not to watch any more.
    private func handOver(to runner: DetectorRunner) {
        let detector = runner.detector
        if continuity.isKept {
            runner.keep = { [unowned self] session in
                continuity.keep(session, of: detector.name)
                return continuity.place(of: detector.name)
            }
        }
        if runner.isWanted(by: configuration) {
            runner.inherited = continuity.takeInherited(detector.name, rules: detector.rules.map(\.name))
        } else {
            closeInherited(detector, "it is switched off")
        }
    }

    private func closeInherited(_ detector: any Detector.Type, _ reason: String) {
        guard let inherited = continuity.takeInherited(detector.name, rules: detector.rules.map(\.name)) else { return }
        close(inherited, of: detector.name, because: reason)
    }

    private func startWithBpftrace() {
        path.backend = Backend.bpftrace.rawValue
        for detector in allDetectors { closeInherited(detector, "bpftrace runs the probes now") }
        // By name: what they do for each line is compiled for each of them.
        sources = [
            ScriptedDetector(ArpDetector.self, dropReasons: dropReasons, sink: sink),
            ScriptedDetector(TunGSODetector.self, dropReasons: dropReasons, sink: sink),
        ]
        sources.filter { $0.isWanted(by: configuration) }.forEach(start)
    }

    /// Whether a fallback is worth a try; the child itself finds out the rest.
    private static func canRunBpftrace(_ configuration: Configuration) -> Bool {
        access(configuration.bpftracePath, X_OK) == 0 && geteuid() == 0
    }

    private func startScripts() {
        for settings in configuration.scripts where settings.isEnabled { addScript(settings) }
    }

    func addScript(_ settings: ScriptSettings) {
        let script = OwnScript(settings, sink: sink) { [unowned self] in
            path.handle($0, ofScript: settings.name, now: boottimeNanoseconds())
        }
        path.limit(settings)
        sources.append(script)
        start(script)
    }

    func start(_ source: any EventSource) {
        source.start(configuration)
        if let descriptor = source.descriptor { loop.watch(descriptor) }
    }

    // MARK: The end of the start

    /// Says that the daemon watches once it is known of every source whether it does.
    ///
    /// - Returns: false if nothing is watched and nothing will be.
    func settleStart() -> Bool {
        let wanted = sources.filter { $0.isWanted(by: configuration) }
        if wanted.contains(where: \.isStarting) { return true }
        isStarting = false
        let hasHope = wanted.contains { $0.isRunning || ($0.backend == .bpftrace && $0.nextDeadline != nil) }
        guard wanted.isEmpty || hasHope else { return false }
        beginJournalWatch()
        write(
            Notices.started(
                watched: watched, rules: configuration.rules.values.filter(\.isEnabled).count,
                waiting: waitingSinceBefore))
        wanted.filter { $0.backend == .libbpf }.forEach(reportDegraded)
        reportJournalLimits()
        beginWatchdog()
        // From here on another process can go on.
        deliver(now: boottimeNanoseconds())
        notifier.ready(status: statusText)
        return true
    }

    /// Bytes of events that waited for this process; nil if it does not go on with all that another has watched.
    private var waitingSinceBefore: UInt64? {
        let runners = sources.compactMap { $0 as? DetectorRunner }.filter(\.isRunning)
        var bytes: UInt64 = 0
        for runner in runners {
            guard case .continued(let waiting) = runner.succession else { return nil }
            bytes += waiting
        }
        return runners.isEmpty ? nil : bytes
    }

    /// How much of what should be watched is: `12 of 12 probes, 1 of 1 scripts`.
    var watched: String {
        let wanted = sources.filter { $0.isWanted(by: configuration) }
        let detectors = wanted.filter { $0.detectorName != ScriptRules.detector }
        let scripts = wanted.filter { $0.detectorName == ScriptRules.detector }
        let attached = detectors.filter(\.isRunning).flatMap(\.probes).filter { $0.state == .attached }.count
        let probes = allDetectors.filter { configuration.enabledDetectors.contains($0.name) }
            .reduce(0) { $0 + $1.probes.count }
        let running = scripts.filter(\.isRunning).count
        return "\(attached) of \(probes) probes" + (scripts.isEmpty ? "" : ", \(running) of \(scripts.count) scripts")
    }

    /// True while all that should be watched is.
    var isComplete: Bool {
        sources.filter { $0.isWanted(by: configuration) }
            .allSatisfy { $0.isRunning && $0.probes.allSatisfy { $0.state == .attached } }
    }

    func reportDegraded(_ source: any EventSource) {
        if let problem = source.problem {
            write(
                Notices.probeDegraded(
                    detector: source.detectorName, reason: problem, loss: "all of \(source.title)",
                    rules: source.rules.map(\.name)))
        }
        for (probe, state) in source.probes where source.problem == nil {
            guard let reason = state.reason else { continue }
            write(
                Notices.probeDegraded(
                    detector: source.detectorName, reason: reason, loss: probe.lossWithout, rules: probe.rules))
        }
    }

    // MARK: The end

    /// Stops sources together, so that their last words are waited for once.
    ///
    /// - Parameters:
    ///   - patience: nanoseconds that a slow output is waited for, so that the last summaries fit into its queue.
    ///   - lastWords: nanoseconds in which bpftrace may end; then it is killed.
    func stop(_ stopping: [any EventSource], patience: UInt64, lastWords: UInt64) {
        let children = stopping.filter(\.isRunning).compactMap(\.child)
        if !children.isEmpty { BpftraceSession.listen(to: children) }
        let now = boottimeNanoseconds()
        stopping.forEach { $0.beginStop(now: now) }
        for source in stopping {
            if let descriptor = source.descriptor { loop.forget(descriptor) }
            let begun = boottimeNanoseconds()
            do {
                try source.finishStop(now: begun, deadline: now + lastWords) {
                    letOutputCatchUp(until: begun + patience)
                }
            } catch {
                Console.error("\(source.title): \(error.description)")
            }
            if let runner = source as? DetectorRunner { continuity.discard(runner.detector.name) }
        }
    }
}
