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
            runners.forEach { $0.drain(now: boottimeNanoseconds()) }
            return StatusReport(
                configuration: configuration, runners: runners, books: books, path: path, outputKind: outputKind,
                startedNanoseconds: started, reloadProblem: reloadProblem
            ).json.text
        case "reload":
            return reload().map { "refused\n" + $0.description } ?? "applied"
        default:
            return "error\nunknown request '\(safeText(request.utf8))': there are status and reload"
        }
    }

    /// Checks the whole new configuration first, then changes only what differs.
    ///
    /// - Returns: nil when the new configuration is in force.
    func reload() -> ConfigurationErrors? {
        notifier.reloading(status: "Reloading the configuration", monotonicMicroseconds: monotonicMicroseconds())
        defer {
            lastStatus = (statusText, boottimeNanoseconds())
            notifier.ready(status: statusText)
        }
        do {
            let new = try Configuration.load(path: options.configurationPath, rules: allRules)
            let changes = configuration.changes(to: new)
            let gaps = apply(new)
            reloadProblem = nil
            write(Notices.reloaded(changes: changes + gaps))
            return nil
        } catch {
            reloadProblem = error.problems.first?.description
            write(Notices.reloadFailed(error))
            return error
        }
    }

    /// - Returns: in words, which detectors did not watch for a moment, and how long.
    private func apply(_ new: Configuration) -> [String] {
        let old = configuration
        configuration = new
        path.apply(new)
        return runners.compactMap { runner in
            let isWanted = new.enabledDetectors.contains(runner.detector.name)
            // The size of a table is fixed when it is made.
            let isResized =
                old.limits.maxKeys != new.limits.maxKeys || old.limits.maxMemory != new.limits.maxMemory
            if runner.isRunning, isWanted, !isResized, (try? runner.apply(new)) != nil { return nil }
            return restart(runner, isWanted: isWanted)
        }
    }

    /// A reload does not wait for a slow output: what its queue cannot take of the last summaries is counted.
    private func restart(_ runner: DetectorRunner, isWanted: Bool) -> String? {
        let wasRunning = runner.isRunning
        let stopped = boottimeNanoseconds()
        if wasRunning { stopRunner(runner, patience: 0) }
        guard isWanted else { return nil }
        startRunners([runner])
        reportDegraded(runner)
        let milliseconds = (boottimeNanoseconds() - stopped) / 1_000_000
        return wasRunning ? "\(runner.detector.name) was not watched for \(milliseconds) ms" : nil
    }
}
