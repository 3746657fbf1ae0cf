import AnomalyModel
import DaemonConfig
import EventPipeline
import SystemdProtocols

/// What the daemon says about itself in the journal; each has its text in the message catalog.
enum Notices {
    static let started = (RuleName("daemon-started"), MessageID("f597189067ce420283f9456509a8208d"))
    static let stopped = (RuleName("daemon-stopped"), MessageID("03c0eb543308402f8575db30a6456b87"))
    static let reloaded = (RuleName("daemon-reloaded"), MessageID("483f9e70b80944a7951f15f90ccfcf36"))
    static let reloadFailed = (RuleName("daemon-reload-failed"), MessageID("d986c2adddd04951b91a5fa924aa3833"))
    static let probeDegraded = (RuleName("daemon-probe-degraded"), MessageID("125b42de5ae447d29be379496f2bf50f"))
    static let accounting = (RuleName("daemon-accounting"), MessageID("231a2eb1f4ac47c8bd90d57de20520ff"))
    static let journalLoss = (RuleName("daemon-journal-loss"), MessageID("beed658222ff4700a17622f02d2be7f7"))
    static let stateDiscarded = (RuleName("daemon-state-discarded"), MessageID("c944d2f5f20f485ebfcafca8b52224aa"))
    static let balanceError = (RuleName("daemon-balance-error"), MessageID("7e641d85b0974d39b1886f3e4ed9bf91"))

    /// All of them, for the catalog's and the manual's tests.
    static let all =
        [
            started, stopped, reloaded, reloadFailed, probeDegraded, accounting, journalLoss, balanceError,
            stateDiscarded,
        ] + aboutBackends + aboutJournal + aboutMetrics

    /// - Parameter waiting: bytes of events that had come since the process before ended; nil if this is the first.
    static func started(watched: String, rules: Int, waiting: UInt64?) -> DaemonNotice {
        let before = waiting.map { ", without a gap since the process before (\($0) bytes of events waited)" } ?? ""
        return notice(
            started, .info,
            "Watching with \(watched) and \(rules) rules, version \(daemonVersion)\(before)",
            [Field(.version, daemonVersion)])
    }

    /// - Parameter goesOn: whether the kernel's programs are left to the next process.
    static func stopped(reason: String, goesOn: Bool) -> DaemonNotice {
        let rest = goesOn ? "; what happens now waits in the kernel for the next start" : ""
        return notice(stopped, .info, "Stopped: \(reason)\(rest)", [])
    }

    /// - Parameters:
    ///   - part: a detector, or `all`.
    ///   - lost: events that were in its ring, the sum of its rules' accounts; nil if that cannot be known.
    static func stateDiscarded(of part: String, because reason: String, _ lost: UInt64?) -> DaemonNotice {
        let what = part == "all" ? "The state of the process before" : "What the process before left of \(part)"
        let events = lost.map { "; \($0) events of its rules were lost with it" } ?? ""
        return notice(
            stateDiscarded, .notice, "\(what) is not gone on with: \(reason)\(events)",
            [Field(.problem, reason)] + (lost.map { [Field(.lostRing, String($0))] } ?? []))
    }

    static func reloaded(changes: [String]) -> DaemonNotice {
        let text = changes.isEmpty ? "nothing changed" : changes.joined(separator: "; ")
        return notice(reloaded, .info, "Configuration reloaded: \(text)", [])
    }

    static func reloadFailed(_ errors: ConfigurationErrors) -> DaemonNotice {
        let lines = errors.description
        let first = errors.problems.first?.description ?? "unknown problem"
        let others = errors.problems.count + errors.omitted - 1
        let more = others > 0 ? " (and \(others) more)" : ""
        return notice(
            reloadFailed, .error, "Reload refused, the old configuration stays in force: \(first)\(more)",
            [Field(.problem, lines)])
    }

    static func probeDegraded(detector: DetectorName, reason: String, loss: String, rules: [RuleName]) -> DaemonNotice {
        let blind = rules.isEmpty ? "" : " (\(rules.map(\.text).joined(separator: ", ")))"
        return notice(
            probeDegraded, .warning, "Not watched: \(loss)\(blind), because \(reason)",
            [Field(.detector, detector.text), Field(.problem, reason)])
    }

    /// The balance of all rules: totals in fields of their own, each rule's line in `NETANOMALY_BALANCE`.
    static func accounting(_ books: Books, period: String) -> DaemonNotice {
        let total = books.total
        let lines = books.accounts.filter { $0.account.seen > 0 }.map { "\($0.rule.text): \(sentence($0.account))" }
        let unjudged =
            books.lostUnjudged == 0 ? "" : "; \(books.lostUnjudged) lines of bpftrace lost before they were judged"
        return notice(
            accounting, .info, "\(period): \(sentence(total))\(unjudged)",
            [
                Field(.seen, String(total.seen)), Field(.written, String(total.written)),
                Field(.deduplicated, String(total.deduplicated)), Field(.limited, String(total.limited)),
                Field(.overflow, String(total.overflow)), Field(.lostRing, String(total.lostRing)),
                Field(.lostJournal, String(total.lostJournal)), Field(.pending, String(total.pending)),
            ] + (books.lostUnjudged == 0 ? [] : [Field(.lostBackend, String(books.lostUnjudged))])
                + (lines.isEmpty ? [] : [Field(.balance, lines.joined(separator: "\n"))]))
    }

    static func journalLoss(_ report: LossReport) -> DaemonNotice {
        let causes = report.byCause.sorted { $0.key.rawValue < $1.key.rawValue }
            .map { "\($0.value) \($0.key.rawValue)" }.joined(separator: ", ")
        return notice(
            journalLoss, .error, "The journal did not take \(report.records) entries (\(causes)); it does again",
            [
                Field(.count, String(report.records)), Field(.problem, causes),
                Field(.firstBoottime, String(report.firstBoottimeNanoseconds)),
                Field(.lastBoottime, String(report.lastBoottimeNanoseconds)),
            ])
    }

    static func balanceError(_ rule: RuleName, _ account: RuleAccount) -> DaemonNotice {
        notice(
            balanceError, .error, "The books of \(rule) do not balance: \(sentence(account)); please report this",
            [Field(.balance, "\(rule.text): \(sentence(account))")])
    }

    /// `1000 seen = 12 written + 988 deduplicated + …`, parts that are 0 left out.
    static func sentence(_ account: RuleAccount) -> String {
        let parts: [(UInt64, String)] = [
            (account.written, "written"), (account.deduplicated, "deduplicated"), (account.limited, "rate-limited"),
            (account.overflow, "without a key"), (account.lostRing, "lost in the ring"),
            (account.lostJournal, "not taken by the journal"), (account.pending, "on their way"),
        ]
        let shown = parts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        return "\(account.seen) seen" + (shown.isEmpty ? "" : " = " + shown.joined(separator: " + "))
    }

    static func notice(
        _ identity: (RuleName, MessageID), _ priority: Priority, _ message: String, _ fields: [Field]
    ) -> DaemonNotice {
        DaemonNotice(
            rule: identity.0, messageID: identity.1, priority: priority, message: message, fields: fields)
    }
}
