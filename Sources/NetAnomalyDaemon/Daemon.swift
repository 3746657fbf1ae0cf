import AnomalyModel
import DaemonConfig
import Detectors
import EventPipeline
import Glibc
import SystemdProtocols
import TracingBackends

/// The daemon at work: one thread, one loop, which alone owns the state of every stage.
final class Daemon {
    /// How long a detector's last summaries wait for a slow output: two detectors and a stop fit into TimeoutStopSec=.
    static let catchUpNanoseconds: UInt64 = 3_000_000_000
    /// STATUS= follows the counts, but not faster.
    private static let statusSpacing: UInt64 = 1_000_000_000

    let options: DaemonOptions
    let loop: EventLoop
    var notifier = ServiceNotifier()
    let outputKind: DaemonOptions.Output
    let started = boottimeNanoseconds()
    var configuration: Configuration
    var path: EventPath
    var runners: [DetectorRunner] = []
    var control: ControlSocket?
    var reloadProblem: String?
    private var nextPing: UInt64?
    var lastStatus: (text: String, time: UInt64) = ("", 0)
    private var lastAccounting = boottimeNanoseconds()
    private var unbalanced: Set<RuleName> = []
    /// A table that cannot be swept is said once.
    private var hasReportedSweep = false
    var isOutputWatched = false

    init(_ options: DaemonOptions, _ configuration: Configuration, loop: EventLoop) throws(SystemError) {
        self.options = options
        self.configuration = configuration
        self.loop = loop
        let (transport, kind) = try Output.open(options.output)
        outputKind = kind
        path = EventPath(configuration, transport: transport, namer: FrameNamer())
        control = try ControlSocket(path: options.controlPath, loop: loop)
        runners = allDetectors.map { detector in
            DetectorRunner(detector) { [unowned self] anomaly in path.handle(anomaly, now: boottimeNanoseconds()) }
        }
    }

    /// Starts every detector that the configuration wants.
    ///
    /// - Returns: nil, or why not a single one could be started.
    func start() -> BackendError? {
        let wanted = runners.filter { configuration.enabledDetectors.contains($0.detector.name) }
        startRunners(wanted)
        if !wanted.isEmpty, !wanted.contains(where: \.isRunning) { return wanted.first?.problem }
        let probes = runners.flatMap(\.probes)
        let wantedProbes = wanted.reduce(0) { $0 + $1.detector.probes.count }
        write(
            Notices.started(
                attached: probes.filter { $0.state == .attached }.count, wanted: wantedProbes,
                rules: configuration.rules.values.filter(\.isEnabled).count))
        wanted.forEach(reportDegraded)
        if let interval = notifier.watchdogIntervalMicroseconds {
            pingSpacing = interval * 1000 / 3
            nextPing = boottimeNanoseconds()
        }
        notifier.ready(status: statusText)
        return nil
    }

    private var pingSpacing: UInt64 = 0

    /// Runs until a signal or a gone reader ends it.
    ///
    /// - Returns: false if the output's reader went away.
    func run() -> Bool {
        while true {
            let now = boottimeNanoseconds()
            let wakes = loop.wait(until: nextDeadline, now: now)
            for wake in wakes {
                if case .signal(let number) = wake, number != SIGHUP { return stop(by: number) }
            }
            if wakes.contains(.signal(SIGHUP)) { _ = reload() }
            serve(wakes)
            tick()
            if path.output.isReaderGone { return stopWithoutReader() }
        }
    }

    private var nextDeadline: UInt64? {
        var deadlines = runners.map(\.nextSweep) + [path.nextDeadline, nextPing, control?.nextDeadline]
        if path.hasNews, configuration.accountingIntervalNanoseconds > 0 {
            deadlines.append(lastAccounting + configuration.accountingIntervalNanoseconds)
        }
        if lastStatus.text != statusText { deadlines.append(lastStatus.time + Self.statusSpacing) }
        if notifier.needsRetry { deadlines.append(boottimeNanoseconds() + ServiceNotifier.retryNanoseconds) }
        return deadlines.compactMap { $0 }.min()
    }

    private func serve(_ wakes: [EventLoop.Wake]) {
        for wake in wakes {
            switch wake {
            case .readable(let descriptor):
                if let control, control.owns(descriptor) {
                    control.readable(descriptor, now: boottimeNanoseconds(), answer: answer)
                } else {
                    runners.first { $0.descriptor == descriptor }?.drain(now: boottimeNanoseconds())
                }
            case .writable(let descriptor):
                if let control, control.owns(descriptor) { control.writable(descriptor) }
            case .signal: break
            }
        }
    }

    /// Everything that has become due: this having run is the progress that the watchdog is told of.
    private func tick() {
        let now = boottimeNanoseconds()
        for runner in runners where runner.nextSweep.map({ $0 <= now }) ?? false {
            do {
                try runner.sweep(now: now)
            } catch {
                if !hasReportedSweep { Console.error("\(runner.detector.name): no summaries: \(error.description)") }
                hasReportedSweep = true
            }
        }
        path.tick(now: now)
        watchOutput()
        notifier.retry()
        control?.expire(now: now)
        let interval = configuration.accountingIntervalNanoseconds
        if interval > 0, path.hasNews, now >= lastAccounting + interval { account(period: "Since the start") }
        if lastStatus.text != statusText, now >= lastStatus.time + Self.statusSpacing {
            lastStatus = (statusText, now)
            notifier.status(lastStatus.text)
        }
        if let ping = nextPing, ping <= now {
            notifier.watchdog()
            nextPing = now + pingSpacing
        }
    }

    func watchOutput() {
        guard path.output.wantsWritable != isOutputWatched else { return }
        isOutputWatched = path.output.wantsWritable
        if isOutputWatched {
            loop.watch(path.output.descriptor, writable: true, readable: false)
        } else {
            loop.forget(path.output.descriptor)
        }
    }

    func write(_ notice: DaemonNotice) { path.write(notice, now: boottimeNanoseconds()) }

    // MARK: Detectors

    func startRunners(_ runners: [DetectorRunner]) {
        DetectorRunner.start(runners, configuration)
        runners.compactMap(\.descriptor).forEach { loop.watch($0) }
    }

    /// - Parameter patience: how long a slow output is waited for, so that the last summaries fit into its queue.
    func stopRunner(_ runner: DetectorRunner, patience: UInt64) {
        if let descriptor = runner.descriptor { loop.forget(descriptor) }
        let now = boottimeNanoseconds()
        do {
            try runner.stop(now: now) { letOutputCatchUp(until: now + patience) }
        } catch {
            Console.error("\(runner.detector.name): \(error.description)")
        }
    }

    func reportDegraded(_ runner: DetectorRunner) {
        let detector = runner.detector
        if let problem = runner.problem {
            write(
                Notices.probeDegraded(
                    detector: detector.name, reason: problem.description, loss: "all of \(detector.name)",
                    rules: detector.rules.map(\.name)))
        }
        for (probe, state) in runner.probes where runner.problem == nil {
            guard let reason = state.reason else { continue }
            write(
                Notices.probeDegraded(
                    detector: detector.name, reason: reason, loss: probe.lossWithout, rules: probe.rules))
        }
    }

    // MARK: Accounts

    var books: Books {
        Books(
            accounts: runners.flatMap { runner in
                runner.detector.rules.enumerated().map { index, rule in
                    (rule.name, path.account(rule.name, kernel: runner.kernelAccount(rule: index)))
                }
            })
    }

    func account(period: String) {
        runners.forEach { $0.drain(now: boottimeNanoseconds()) }
        let books = books
        write(Notices.accounting(books, period: period))
        for (rule, account) in books.accounts where account.isOverdrawn && unbalanced.insert(rule).inserted {
            write(Notices.balanceError(rule, account))
        }
        path.beginPeriod()
        lastAccounting = boottimeNanoseconds()
    }

    var statusText: String {
        let written = path.output.deliveries.values.reduce(0) { $0 + $1.written }
        let lost = path.output.deliveries.values.reduce(0) { $0 + $1.lost }
        let attached = runners.flatMap(\.probes).filter { $0.state == .attached }.count
        let wanted = runners.filter { configuration.enabledDetectors.contains($0.detector.name) }
            .reduce(0) { $0 + $1.detector.probes.count }
        let counts = "\(attached) of \(wanted) probes, \(written) entries, \(lost) lost"
        if let reloadProblem { return "Running with the old configuration: \(reloadProblem) (\(counts))" }
        return "Watching: \(counts)"
    }
}
