import AnomalyModel
import DaemonConfig
import EventPipeline

/// What the daemon says about a journal that takes its entries and does not keep them.
extension Notices {
    static let journalLimit = (RuleName("daemon-journal-limit"), MessageID("831ebc3f28df452ca8b64b5795e62e3a"))
    static let journalDeaf = (RuleName("daemon-journal-deaf"), MessageID("10e57c5be57a490ea68c8b7e1c27eaa8"))
    static let journalGap = (RuleName("daemon-journal-gap"), MessageID("ab8b03e32cc84bdc869812854e83be77"))

    /// All of these.
    static let aboutJournal = [journalLimit, journalDeaf, journalGap]

    /// One notice for each way in which journald is set to drop entries of ours.
    static func journalLimits(
        _ limits: JournalLimits, _ configuration: Configuration, _ rules: [Rule]
    ) -> [DaemonNotice] {
        var problems: [String] = []
        if limits.keepsNothing {
            problems.append("it has Storage=none, set it to auto in journald.conf, or use --output json")
        } else if !limits.isStorageOff, JournalLimits.leastUrgent(configuration, rules) > limits.maxLevel {
            let lost = JournalLimits.leastUrgent(configuration, rules).word
            problems.append(
                "it keeps nothing less urgent than \(limits.maxLevel.word), and we write down to \(lost); raise "
                    + "MaxLevelStore= in journald.conf, or LogLevelMax= of the unit")
        }
        if limits.isExceeded(by: configuration, rules) {
            let most = limits.mostWritten(configuration, rules)
            let seconds = Double(limits.intervalNanoseconds / 1_000_000) / 1000
            problems.append(
                "it takes \(limits.burst) of a kind in \(seconds) s from \(limits.unit ?? ""), and the limits in force "
                    + "let us write \(UInt64(min(most.entries, 1e15))) of priority \(most.priority.word); raise "
                    + "LogRateLimitBurst= of the unit, or lower RateLimitBurst= in netanomaly.conf")
        }
        return problems.map {
            notice(
                journalLimit, .warning, "The journal may drop entries without a word: \($0)", [Field(.problem, $0)])
        }
    }

    /// What is wrong, for a status line and an entry.
    static func words(_ deafness: JournalWatch.Deafness) -> String {
        let reason = deafness.isDiskFull ? ", its disk is full" : ""
        let memory = deafness.isInMemory ? "; it may keep them in memory, in /run/log/journal" : ""
        let first = deafness.firstSequence
        return "the journal takes entries and does not store them\(reason), from number \(first) on\(memory)"
    }

    static func journalDeaf(_ deafness: JournalWatch.Deafness) -> DaemonNotice {
        let text = words(deafness)
        return notice(
            journalDeaf, .error, text.prefix(1).uppercased() + text.dropFirst(),
            [
                Field(.problem, deafness.isDiskFull ? "disk full" : "nothing stored"),
                Field(.firstSequence, String(deafness.firstSequence)),
                Field(.firstBoottime, String(deafness.sinceNanoseconds)),
            ])
    }

    /// - Parameters:
    ///   - missing: numbers of entries.
    ///   - since: CLOCK_BOOTTIME in nanoseconds, like `until`.
    static func journalGap(_ missing: ClosedRange<UInt64>, since: UInt64, until: UInt64) -> DaemonNotice {
        notice(
            journalGap, .error,
            "Entries \(missing.lowerBound) to \(missing.upperBound) may be missing: the journal took them and stored "
                + "nothing for \((until - since) / 1_000_000_000) s; it does again",
            [
                Field(.firstSequence, String(missing.lowerBound)), Field(.lastSequence, String(missing.upperBound)),
                Field(.firstBoottime, String(since)), Field(.lastBoottime, String(until)),
            ])
    }
}
