import AnomalyModel
import DaemonConfig
import EventPipeline
import Glibc

/// What journald is set to drop in silence of what this service writes: its limits, against our own.
struct JournalLimits: Equatable {
    /// journald counts the entries of a unit in these groups of priorities, each by itself.
    private static let groups: [ClosedRange<Priority>] = [
        .emergency ... .critical, .error ... .error, .warning ... .warning, .notice ... .info, .debug ... .debug,
    ]
    /// More than the hierarchies of one process, with the longest paths, take.
    private static let maximumBytes = 1 << 16

    /// The unit that journald takes us for; it limits no process outside of units.
    var unit: String?
    /// 0: no limit.
    var intervalNanoseconds: UInt64
    /// Entries in one interval and group; 0: no limit.
    ///
    /// That is when the journal's disk is nearly full. With room, journald lets several times as many through.
    var burst: UInt64
    /// Nothing is kept.
    var isStorageOff: Bool
    /// Less urgent entries are dropped.
    var maxLevel: Priority
    /// A syslog daemon gets the messages, and may be what the administrator wants instead.
    var isForwarded = false

    /// What is in force for this process, as far as files tell: journald reads its own only when it starts.
    ///
    /// - Parameter root: stands in for `/` in tests.
    static func ofThisService(root: String = "", logNamespace: String? = nil) -> JournalLimits {
        let journald = JournaldConfiguration.load(logNamespace: logNamespace)
        let unit = unit(controlGroups: readSmallFile(root + "/proc/self/cgroup", maximumBytes))
        func ofUnit(_ what: String) -> UInt64? {
            unit.flatMap { linkTarget("\(root)/run/systemd/units/\(what):\($0)") }.flatMap { UInt64($0) }
        }
        let microseconds = ofUnit("log-rate-limit-interval")
        let level = ofUnit("log-level-max").flatMap { Priority(rawValue: Int(clamping: $0)) } ?? .debug
        return JournalLimits(
            unit: unit,
            intervalNanoseconds: microseconds.map { $0.multipliedReportingOverflow(by: 1000).partialValue }
                ?? journald.rateLimitIntervalNanoseconds,
            burst: ofUnit("log-rate-limit-burst") ?? journald.rateLimitBurst,
            isStorageOff: journald.isStorageOff, maxLevel: min(level, journald.maxLevelStore),
            isForwarded: journald.forwardsToSyslog ?? true
                && access(root + "/run/systemd/journal/syslog", F_OK) == 0)
    }

    /// The unit in `/proc/self/cgroup`: the first part of the path that is no slice, if it is a unit.
    static func unit(controlGroups: String) -> String? {
        let lines = controlGroups.split(separator: "\n")
        // Where systemd uses the old hierarchies, it keeps its own beside them.
        let line = lines.first { $0.hasPrefix("0::/") && $0 != "0::/" } ?? lines.first { $0.contains(":name=systemd:") }
        let path = line?.split(separator: ":", maxSplits: 2).last ?? ""
        let unit = path.split(separator: "/").first { !$0.hasSuffix(".slice") }.map(String.init)
        return unit.flatMap { name in [".service", ".scope"].contains { name.hasSuffix($0) } ? name : nil }
    }

    /// systemd leaves what it wants journald to know of a unit in links that lead nowhere.
    private static func linkTarget(_ path: String) -> String? {
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = readlink(path, &bytes, bytes.count)
        return count > 0 && count < bytes.count ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }

    // MARK: Against our own

    /// Entries go nowhere at all.
    var keepsNothing: Bool { isStorageOff && !isForwarded }

    /// Most entries of one group that a configuration lets be written within `intervalNanoseconds`, and that group's
    /// most urgent priority.
    ///
    /// Whoever sends packets can make all rules speak at once, so they are added up; and all summaries may be of one.
    func mostWritten(_ configuration: Configuration, _ rules: [Rule]) -> (entries: Double, priority: Priority) {
        let writers = Self.writers(configuration, rules)
        let sweeps = Double(intervalNanoseconds) / Double(Deduplicator.sweepSpacingNanoseconds) + 1
        let summaries = sweeps * Double(Deduplicator.maxSummariesPerSweep * configuration.enabledDetectors.count)
        let sums = Self.groups.map { group in
            let entries = writers.filter { group.contains($0.priority) }.reduce(0) { $0 + mostWritten($1) }
            return (entries: entries == 0 ? 0 : entries + summaries, priority: group.lowerBound)
        }
        return sums.max { $0.entries < $1.entries } ?? (0, .info)
    }

    /// A burst at once, and what is given back meanwhile.
    private func mostWritten(_ writer: Writer) -> Double {
        Double(writer.burst) * (1 + Double(intervalNanoseconds) / Double(max(1, writer.intervalNanoseconds)))
    }

    /// A rule or a script: its limits, and the priority that it usually has.
    private struct Writer {
        let burst: UInt32
        let intervalNanoseconds: UInt64
        let priority: Priority
    }

    private static func writers(_ configuration: Configuration, _ rules: [Rule]) -> [Writer] {
        let enabled = rules.compactMap { rule -> Writer? in
            guard let settings = configuration.rules[rule.name], settings.isEnabled else { return nil }
            return Writer(
                burst: settings.rateLimitBurst, intervalNanoseconds: settings.rateLimitIntervalNanoseconds,
                priority: settings.priorityOverride ?? rule.priority)
        }
        return enabled
            + configuration.scripts.filter(\.isEnabled).map {
                Writer(
                    burst: $0.rateLimitBurst, intervalNanoseconds: $0.rateLimitIntervalNanoseconds,
                    priority: $0.priority)
            }
    }

    /// Whether the journal's limit is below what we may write.
    func isExceeded(by configuration: Configuration, _ rules: [Rule]) -> Bool {
        guard unit != nil, intervalNanoseconds > 0, burst > 0 else { return false }
        return mostWritten(configuration, rules).entries > Double(burst)
    }

    /// The least urgent priority that is written: the daemon's own entries are of info.
    static func leastUrgent(_ configuration: Configuration, _ rules: [Rule]) -> Priority {
        writers(configuration, rules).map(\.priority).reduce(.info, max)
    }
}
