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
    let continuity: Continuity
    /// Accounts of earlier processes and of scripts that a reload has taken away: no source goes on with them.
    var carried: [RuleName: RuleAccount] = [:]
    /// Lines of such scripts that nothing has judged.
    var carriedUnjudged: UInt64 = 0
    /// What brings events, in the order in which it is told.
    var sources: [any EventSource] = []
    let dropReasons = DropReasons()
    /// True until it is known of each source whether it watches.
    var isStarting = true
    var control: ControlSocket?
    var reloadProblem: String?
    /// Whether the journal keeps what we write; nil for other outputs.
    var journal: JournalHealth?
    var metrics = MetricsFile(startedSeconds: realtimeSeconds())
    private var nextPing: UInt64?
    private var lastStatus: (facts: StatusFacts?, time: UInt64) = (nil, 0)
    private var lastAccounting = boottimeNanoseconds()
    private var unbalanced: Set<RuleName> = []
    /// How long a busy source is not listened to.
    private static let pauseNanoseconds: UInt64 = 2_000_000
    /// How often systemd is asked to be patient with a start.
    private static let extensionNanoseconds: UInt64 = 30_000_000_000
    private var nextExtension: UInt64 = 0
    private var unheard: [any EventSource] = []
    private var listenAgain: UInt64?
    /// A table that cannot be swept is said once.
    private var hasReportedSweep = false
    var isOutputWatched = false

    init(_ options: DaemonOptions, _ configuration: Configuration, loop: EventLoop) throws(SystemError) {
        self.options = options
        self.configuration = configuration
        self.loop = loop
        let (transport, kind) = try Output.open(options.output)
        outputKind = kind
        do {
            continuity = try Continuity(isWanted: options.keepsState)
        } catch {
            throw SystemError(error)
        }
        path = EventPath(
            configuration, transport: transport, namer: FrameNamer(), memory: continuity.memory,
            isKept: continuity.isKept)
        control = try ControlSocket(path: options.controlPath, loop: loop)
    }

    private var pingSpacing: UInt64 = 0

    func beginWatchdog() {
        guard let interval = notifier.watchdogIntervalMicroseconds else { return }
        pingSpacing = interval * 1000 / 3
        nextPing = boottimeNanoseconds()
    }

    /// Runs until a signal or a gone reader ends it.
    ///
    /// - Returns: as what the process ends; not `success` if the output's reader went away, or nothing can be watched.
    func run() -> ExitStatus {
        while true {
            let now = boottimeNanoseconds()
            let wakes = loop.wait(until: nextDeadline, now: now)
            for wake in wakes {
                if case .signal(let number) = wake, number != SIGHUP { return stop(by: number) }
            }
            if wakes.contains(.signal(SIGHUP)) { _ = reload() }
            serve(wakes)
            tick()
            if isStarting, !settleStart() {
                Console.error(unwatchable.description)
                return unwatchable.isPermission ? .notPermitted : .failure
            }
            if path.output.isReaderGone { return stopWithoutReader() }
        }
    }

    private var nextDeadline: UInt64? {
        var deadlines = sources.map(\.nextDeadline)
        deadlines += [path.nextDeadline, nextPing, control?.nextDeadline, listenAgain]
        deadlines += [journal?.nextLook, metricsDeadline]
        if isStarting { deadlines.append(nextExtension) }
        if path.hasNews, configuration.accountingIntervalNanoseconds > 0 {
            deadlines.append(lastAccounting + configuration.accountingIntervalNanoseconds)
        }
        if lastStatus.facts != statusFacts { deadlines.append(lastStatus.time + Self.statusSpacing) }
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
                    sources.first { $0.descriptor == descriptor }.map(drain)
                }
            case .writable(let descriptor):
                if let control, control.owns(descriptor) { control.writable(descriptor) }
            case .signal: break
            }
        }
    }

    /// A source that writes without a pause is not listened to for a moment, so that much is read at once.
    private func drain(_ source: any EventSource) {
        let now = boottimeNanoseconds()
        source.drain(now: now)
        guard source.isBusy, let descriptor = source.descriptor else { return }
        loop.forget(descriptor)
        unheard.append(source)
        listenAgain = now + Self.pauseNanoseconds
    }

    private func listen(now: UInt64) {
        guard let due = listenAgain, due <= now else { return }
        listenAgain = nil
        let sources = unheard
        unheard = []
        for source in sources {
            guard let descriptor = source.descriptor else { continue }
            loop.watch(descriptor)
            drain(source)
        }
    }

    /// Everything that has become due: this having run is the progress that the watchdog is told of.
    private func tick() {
        let now = boottimeNanoseconds()
        listen(now: now)
        for source in sources where source.nextDeadline.map({ $0 <= now }) ?? false {
            do {
                try source.tick(now: now)
            } catch {
                if !hasReportedSweep { Console.error("\(source.title): no summaries: \(error.description)") }
                hasReportedSweep = true
            }
        }
        deliver(now: now)
        watchOutput()
        watchJournal(now: now)
        notifier.retry()
        control?.expire(now: now)
        if isStarting, nextExtension <= now {
            notifier.extendStart(microseconds: 2 * Self.extensionNanoseconds / 1000)
            nextExtension = now + Self.extensionNanoseconds
        }
        let interval = configuration.accountingIntervalNanoseconds
        if interval > 0, path.hasNews, now >= lastAccounting + interval { account(period: "Since the start") }
        writeMetrics(now: now)
        if lastStatus.facts != statusFacts, now >= lastStatus.time + Self.statusSpacing {
            toldStatus(now: now)
            notifier.status(statusText)
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

    // MARK: Accounts

    var books: Books {
        var order: [RuleName] = []
        var known: Set<RuleName> = []
        var accounts = carried
        for source in sources {
            for rule in source.rules {
                accounts[rule.name] = (accounts[rule.name] ?? RuleAccount()) + source.account(of: rule.name)
                // Two scripts may name the same rule.
                if known.insert(rule.name).inserted { order.append(rule.name) }
            }
        }
        order += carried.keys.filter { !known.contains($0) }.sorted { $0.text < $1.text }
        return Books(
            accounts: order.map { ($0, path.account($0, kernel: accounts[$0] ?? RuleAccount())) },
            lostUnjudged: sources.reduce(carriedUnjudged) { $0 + $1.lostUnjudged })
    }

    func account(period: String) {
        sources.forEach { $0.drain(now: boottimeNanoseconds()) }
        let books = books
        write(Notices.accounting(books, period: period))
        for (rule, account) in books.accounts where account.isOverdrawn && unbalanced.insert(rule).inserted {
            write(Notices.balanceError(rule, account))
        }
        path.beginPeriod()
        lastAccounting = boottimeNanoseconds()
    }

    /// What the status text is made of: compared at every turn of the loop, where the text would cost too much.
    private struct StatusFacts: Equatable {
        var written: UInt64 = 0
        var lost: UInt64 = 0
        var running = 0
        var isStarting = false
        var reloadProblem: String?
        var journalProblem: String?
    }

    private var statusFacts: StatusFacts {
        var facts = StatusFacts(isStarting: isStarting, reloadProblem: reloadProblem, journalProblem: journal?.problem)
        for delivery in path.output.deliveries.values {
            facts.written += delivery.written
            facts.lost += delivery.lost
        }
        for source in sources where source.isRunning { facts.running += 1 }
        return facts
    }

    /// Notes that the text that now holds has been told.
    func toldStatus(now: UInt64) { lastStatus = (statusFacts, now) }

    var statusText: String {
        let facts = statusFacts
        let counts = "\(watched), \(facts.written) entries, \(facts.lost) lost"
        if let reloadProblem { return "Running with the old configuration: \(reloadProblem) (\(counts))" }
        if let problem = facts.journalProblem { return "Degraded: \(problem) (\(counts))" }
        return "\(isStarting ? "Starting" : isComplete ? "Watching" : "Degraded"): \(counts)"
    }
}
