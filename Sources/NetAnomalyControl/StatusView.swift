/// A status report for a person at a terminal.
public struct StatusView {
    private let status: Status
    private let nowNanoseconds: UInt64
    private let isColoured: Bool

    /// Prepares the view.
    ///
    /// - Parameter nowNanoseconds: CLOCK_BOOTTIME, to say how long the daemon has been watching.
    public init(_ status: Status, nowNanoseconds: UInt64, isColoured: Bool) {
        self.status = status
        self.nowNanoseconds = nowNanoseconds
        self.isColoured = isColoured
    }

    /// The text, ending in a newline.
    public var text: String {
        (headline + problems + [""] + table + trusted + [""] + footer).map { $0 + "\n" }.joined()
    }

    private var headline: [String] {
        let colour = status.state == "watching" ? "1;32" : "1;31"
        let attached = status.detectors.flatMap(\.probes).filter(\.attached).count
        let probes = status.detectors.flatMap(\.probes).count
        let since = duration(nowNanoseconds &- status.startedBoottimeNs)
        // Not known of bpftrace's programs.
        let memory = status.detectors.compactMap(\.kernelMemoryBytes)
        return [
            "netanomalyd \(status.version): \(paint(status.state, colour)) for \(since), "
                + "\(attached) of \(probes) probes (\(status.backend)), output \(status.output.kind)"
                + (memory.isEmpty ? "" : ", \(megabytes(memory.reduce(0, +))) MB of kernel memory")
        ]
    }

    private var problems: [String] {
        var lines: [String] = []
        if let problem = status.reloadProblem { lines.append("running with the old configuration: \(problem)") }
        if let reason = status.output.unreachable {
            lines.append("the output is away (\(reason)), \(status.output.waiting) entries wait")
        }
        for detector in status.detectors where detector.enabled {
            if let problem = detector.problem { lines.append("\(detector.name): \(problem)") }
            for probe in detector.probes where !probe.attached && detector.problem == nil {
                lines.append("\(probe.notWatched ?? probe.probe) is not watched: \(probe.reason ?? "unknown reason")")
            }
            if let count = detector.undecodable, count > 0 {
                lines.append("\(detector.name): \(count) records could not be decoded, please report this")
            }
            if let forgotten = detector.forgotten, forgotten > 0 {
                lines.append(
                    "\(detector.name): \(forgotten) memories were given up before their time, "
                        + "see MaxMemory= in netanomaly.conf(5)")
            }
            lines += problems(ofChild: detector)
        }
        return lines.map { paint("  ! ", "1;31") + $0 }
    }

    private func problems(ofChild detector: Status.Detector) -> [String] {
        guard let child = detector.bpftrace else { return [] }
        var lines: [String] = []
        if child.state != "running", detector.problem == nil {
            lines.append("\(detector.name): bpftrace is \(child.state)")
        }
        if child.unjudged > 0 {
            lines.append("\(detector.name): \(child.unjudged) lines of bpftrace were lost before they were judged")
        }
        if child.restarts > 0 {
            lines.append("\(detector.name): bpftrace was started again \(child.restarts) times")
        }
        if let count = detector.unreadableReports, count > 0 {
            lines.append("\(detector.name): \(count) lines are no reports, see netanomaly-script(7)")
        }
        return lines
    }

    /// Rules in the order of their detectors' probes would repeat some: sorted by name, silent ones in one line.
    private var table: [String] {
        let rows = status.rules.filter { $0.value.seen > 0 }.sorted { $0.key < $1.key }
        let silent = status.rules.filter { $0.value.seen == 0 && $0.value.enabled }.count
        let off = status.rules.filter { !$0.value.enabled }.keys.sorted()
        var lines = rows.isEmpty ? [] : aligned([["rule"] + Self.columns] + rows.map { [$0.key] + numbers($0.value) })
        if !lines.isEmpty { lines[0] = paint(lines[0], "2") }
        lines.append("\(silent) rules have seen nothing\(off.isEmpty ? "" : "; off: \(off.joined(separator: ", "))")")
        return lines
    }

    /// Rules that excused anything: in most configurations there is none.
    private var trusted: [String] {
        let excused = status.rules.filter { $0.value.trusted > 0 }.sorted { $0.key < $1.key }
        if excused.isEmpty { return [] }
        return ["excused by [Trust]: " + excused.map { "\($0.key) \($0.value.trusted)" }.joined(separator: ", ")]
    }

    private static let columns = ["seen", "written", "deduplicated", "limited", "overflow", "lost", "pending"]

    private func numbers(_ account: Status.Account) -> [String] {
        [
            account.seen, account.written, account.deduplicated, account.limited, account.overflow,
            account.lostRing + account.lostJournal, account.pending,
        ].map(String.init)
    }

    private var footer: [String] {
        let changed = status.configuration.filter { $0.origin != "default" }
        if changed.isEmpty { return ["configuration: all defaults"] }
        return ["configuration, where it differs from the defaults:"]
            + changed.map { "  [\($0.section)] \($0.key)=\($0.value)  \(paint($0.origin, "2"))" }
    }

    /// First column to the left, numbers to the right.
    private func aligned(_ rows: [[String]]) -> [String] {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { index, cell in
                let space = String(repeating: " ", count: widths[index] - cell.count)
                return index == 0 ? cell + space : space + cell
            }.joined(separator: "  ")
        }
    }

    private func paint(_ text: String, _ rendition: String) -> String {
        isColoured ? "\u{1b}[\(rendition)m\(text)\u{1b}[0m" : text
    }

    /// With one decimal.
    private func megabytes(_ bytes: UInt64) -> String {
        let tenths = (bytes + 50_000) / 100_000
        return "\(tenths / 10).\(tenths % 10)"
    }

    private func duration(_ nanoseconds: UInt64) -> String {
        let seconds = nanoseconds / 1_000_000_000
        switch seconds {
        case ..<60: return "\(seconds) s"
        case ..<3600: return "\(seconds / 60) min"
        case ..<86400: return "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        default: return "\(seconds / 86400) d \(seconds % 86400 / 3600) h"
        }
    }
}
