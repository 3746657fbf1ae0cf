import AnomalyModel
import DaemonConfig
import Detectors
import SystemdProtocols
import TracingBackends

/// What others ask of the daemon: status, and reload by request or SIGHUP.
extension Daemon {
    /// The control protocol, see netanomalyctl(1): `status` is answered in JSON, `reload` by `applied`, or by `refused`
    /// and one problem a line.
    func answer(_ request: String) -> String {
        switch request {
        case "status":
            sources.forEach { $0.drain(now: boottimeNanoseconds()) }
            return statusReport.json.text
        case "reload":
            return reload().map { "refused\n" + $0.description } ?? "applied"
        default:
            return "error\nunknown request '\(safeText(request.utf8))': there are status and reload"
        }
    }

    var statusReport: StatusReport {
        StatusReport(
            configuration: configuration, sources: sources, backend: path.backend ?? "none", books: books,
            path: path, outputKind: outputKind,
            startedNanoseconds: started, reloadProblem: reloadProblem, journalProblem: journal?.problem)
    }

    /// Checks the whole new configuration first, then changes only what differs.
    ///
    /// - Returns: nil when the new configuration is in force.
    func reload() -> ConfigurationErrors? {
        // systemd shall not take the end of a reload for the end of the start.
        let isReady = !isStarting
        if isReady {
            notifier.reloading(status: "Reloading the configuration", monotonicMicroseconds: monotonicMicroseconds())
        }
        defer {
            if isReady {
                toldStatus(now: boottimeNanoseconds())
                notifier.ready(status: statusText)
            }
        }
        do {
            let new = try Configuration.load(path: options.configurationPath, rules: allRules)
            let changes = configuration.changes(to: new)
            let gaps = apply(new)
            reloadProblem = nil
            metrics.reloads.note(isApplied: true, seconds: realtimeSeconds())
            write(Notices.reloaded(changes: changes + gaps))
            reportJournalLimits()
            return nil
        } catch {
            reloadProblem = error.problems.first?.description
            metrics.reloads.note(isApplied: false, seconds: realtimeSeconds())
            write(Notices.reloadFailed(error))
            return error
        }
    }

    /// - Returns: in words, what did not watch for a moment, and how long; and what is not in force yet.
    private func apply(_ new: Configuration) -> [String] {
        let old = configuration
        configuration = new
        path.apply(new)
        new.scripts.forEach { path.limit($0) }
        var remarks = sources.compactMap { apply(to: $0) }
        let known = Set(sources.compactMap { ($0 as? OwnScript)?.settings.name })
        new.scripts.filter { $0.isEnabled && !known.contains($0.name) }.forEach(addScript)
        if old.backend != new.backend { remarks.append("[Daemon] Backend= takes effect at the next start") }
        return remarks
    }

    private func apply(to source: any EventSource) -> String? {
        let isWanted = source.isWanted(by: configuration)
        if isWanted, source.isRunning, source.apply(configuration) { return nil }
        return restart(source, isWanted: isWanted)
    }

    /// A reload does not wait for a slow output: what its queue cannot take of the last summaries is counted.
    private func restart(_ source: any EventSource, isWanted: Bool) -> String? {
        let wasRunning = source.isRunning
        let stopped = boottimeNanoseconds()
        stop([source], patience: 0, lastWords: Self.reloadNanoseconds)
        guard isWanted else {
            retire(source)
            return nil
        }
        start(source)
        if source.backend == .libbpf { reportDegraded(source) }
        let milliseconds = (boottimeNanoseconds() - stopped) / 1_000_000
        guard wasRunning else { return nil }
        return source.isRunning
            ? "\(source.title) was not watched for \(milliseconds) ms" : "\(source.title) is started again"
    }

    /// A script that is not wanted any more leaves its accounts behind.
    private func retire(_ source: any EventSource) {
        guard source is OwnScript else { return }
        sources.removeAll { $0 === source }
        for rule in source.rules {
            carried[rule.name] = (carried[rule.name] ?? RuleAccount()) + source.account(of: rule.name)
        }
        carriedUnjudged += source.lostUnjudged
        forgetOldRules()
    }

    /// A script that is stopped by a reload holds up all else.
    private static let reloadNanoseconds: UInt64 = 1_000_000_000
}
