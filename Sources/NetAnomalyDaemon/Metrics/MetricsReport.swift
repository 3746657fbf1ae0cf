import AnomalyModel
import DaemonConfig
import Detectors
import SystemdProtocols
import TracingBackends

/// What the metrics file says: the figures of the status, named for Prometheus; netanomalyd(8) documents them.
///
/// No label has a value that the network or a packet chooses: detectors, rules, scripts and causes are few and known.
struct MetricsReport {
    let status: StatusReport
    let reloads: ReloadCounts
    /// Seconds since 1970.
    let startedSeconds: UInt64
    /// False in the last file, which stays when the daemon has gone.
    let isRunning: Bool

    var families: [MetricFamily] { daemon + configuration + events + detectors + bpftrace + output }

    private var daemon: [MetricFamily] {
        [
            MetricFamily(
                "build_info", .gauge, "The version that writes this; always 1.", [([("version", daemonVersion)], 1)]),
            MetricFamily(
                "backend_info", .gauge, "What runs the probes; always 1.", [([("backend", status.backend)], 1)]),
            MetricFamily("running", .gauge, "0 in the file that a stop leaves behind, else 1.", isRunning ? 1 : 0),
            MetricFamily("start_time_seconds", .gauge, "When the daemon was started, since 1970.", startedSeconds),
        ]
    }

    private var configuration: [MetricFamily] {
        [
            MetricFamily(
                "config_last_reload_successful", .gauge, "0 if the last reload was refused, else 1.",
                status.reloadProblem == nil ? 1 : 0),
            MetricFamily(
                "config_last_reload_success_timestamp_seconds", .gauge,
                "When the configuration in force was read, since 1970.", reloads.lastAppliedSeconds),
            MetricFamily(
                "config_reloads_total", .counter, "Reloads since the start, by their result.",
                [([("result", "applied")], reloads.applied), ([("result", "refused")], reloads.refused)]),
        ]
    }

    // MARK: Events

    /// One sample for each rule, and each of the names where there are any.
    private func perRule(_ fates: [(name: String, count: KeyPath<RuleAccount, UInt64>)]) -> [MetricFamily.Sample] {
        var samples: [MetricFamily.Sample] = []
        for (rule, account) in status.books.accounts {
            let detector = Self.detectors[rule] ?? ScriptRules.detector.text
            for fate in fates {
                let labels = [("detector", detector), ("rule", rule.text)]
                let more = fate.name.isEmpty ? [] : [("fate", fate.name)]
                samples.append((labels + more, account[keyPath: fate.count]))
            }
        }
        return samples
    }

    /// As records name it; rules of scripts are all of one.
    private static let detectors: [RuleName: String] =
        Dictionary(uniqueKeysWithValues: allRules.map { ($0.name, $0.detector.text) })

    private var events: [MetricFamily] {
        [
            MetricFamily("events_total", .counter, "Events that met a rule.", perRule([("", \.seen)])),
            MetricFamily(
                "events_settled_total", .counter,
                "What became of them: over all fates the same number, but for those on their way.",
                perRule([
                    ("written", \.written), ("deduplicated", \.deduplicated), ("limited", \.limited),
                    ("overflow", \.overflow), ("lost_ring", \.lostRing), ("lost_journal", \.lostJournal),
                ])),
            MetricFamily(
                "events_trusted_total", .counter, "Events that [Trust] excuses, in no other count.",
                perRule([("", \.trusted)])),
            MetricFamily(
                "events_unjudged_total", .counter, "Lines of bpftrace lost before any rule could judge them.",
                status.books.lostUnjudged),
        ]
    }

    // MARK: Detectors

    private var wanted: [any EventSource] { status.sources.filter { $0.isWanted(by: status.configuration) } }

    private var detectors: [MetricFamily] {
        let wanted = wanted
        let probes = Dictionary(uniqueKeysWithValues: allDetectors.map { ($0.name, UInt64($0.probes.count)) })
        let ours = wanted.filter { probes[$0.detectorName] != nil }
        return [
            MetricFamily(
                "detector_running", .gauge, "1 while what the configuration wants watched is, else 0.",
                wanted.map { ([("detector", $0.title), ("backend", $0.backend.rawValue)], $0.isRunning ? 1 : 0) }),
            MetricFamily(
                "probes_wanted", .gauge, "Probes that the configuration asks for.",
                ours.map { ([("detector", $0.title)], probes[$0.detectorName] ?? 0) }),
            MetricFamily(
                "probes_attached", .gauge, "Probes that see something.",
                ours.map { ([("detector", $0.title)], Self.attached($0)) }),
        ] + Self.members.map { $0.family(of: status.sources) }
    }

    private static func attached(_ source: any EventSource) -> UInt64 {
        source.isRunning ? UInt64(source.probes.filter { $0.state == .attached }.count) : 0
    }

    private static let members = [
        MemberMetric("keys", "keys", .gauge, "Keys that the kernel remembers."),
        MemberMetric("missed", "missed_total", .counter, "Packets that a probe skipped, being at work on that CPU."),
        MemberMetric("undecodable", "undecodable_total", .counter, "Records or lines that no decoder took."),
        MemberMetric(
            "forgotten", "forgotten_total", .counter, "What rules about repetition forgot early, for want of memory."),
        MemberMetric("kernel_memory_bytes", "kernel_memory_bytes", .gauge, "Of BPF programs and tables."),
        MemberMetric(
            "unreadable_reports", "script_unreadable_reports_total", .counter,
            "What a script printed that is no report."),
    ]

    private static let bpftraceMembers = [
        MemberMetric("received", "bpftrace_lines_total", .counter, "Lines that bpftrace printed."),
        MemberMetric("restarts", "bpftrace_restarts_total", .counter, "Processes of bpftrace after the first."),
        MemberMetric(
            "helper_errors", "bpftrace_helper_errors_total", .counter, "Calls in the kernel that failed a script."),
    ]

    private var bpftrace: [MetricFamily] {
        let causes = ["lost", "unaccounted", "oversized", "unreadable"].map { MemberMetric($0, "", .counter, "") }
        let lost = causes.flatMap { $0.samples(of: status.sources, within: "bpftrace", labelled: "cause") }
        return Self.bpftraceMembers.map { $0.family(of: status.sources, within: "bpftrace") } + [
            MetricFamily(
                "bpftrace_lines_lost_total", .counter, "Lines of bpftrace that nothing has judged, by cause.", lost)
        ]
    }

    // MARK: Output

    private var output: [MetricFamily] {
        let output = status.path.output
        return [
            MetricFamily(
                "records_total", .counter, "Entries made, the daemon's own among them: the last NETANOMALY_SEQ.",
                status.path.nextSequence - 1),
            MetricFamily(
                "records_lost_total", .counter, "Entries that the journal did not take, by cause.",
                LossCause.allCases.map { ([("cause", $0.rawValue)], output.losses[$0] ?? 0) }),
            MetricFamily("queue_records", .gauge, "Entries that wait for the journal.", UInt64(output.waiting)),
            MetricFamily(
                "output_reachable", .gauge, "0 while there is no journal, else 1.", output.unreachable == nil ? 1 : 0),
            MetricFamily(
                "output_kept", .gauge, "0 while the journal is found not to keep what it takes, else 1.",
                status.journalProblem == nil ? 1 : 0),
        ]
    }
}

/// A metric that is a member of each detector's object in the status, where it has it.
private struct MemberMetric {
    let member: String
    let name: String
    let kind: MetricFamily.Kind
    let help: String

    init(_ member: String, _ name: String, _ kind: MetricFamily.Kind, _ help: String) {
        (self.member, self.name, self.kind, self.help) = (member, name, kind, help)
    }

    func family(of sources: [any EventSource], within object: String? = nil) -> MetricFamily {
        MetricFamily(name, kind, help, samples(of: sources, within: object))
    }

    /// - Parameter label: one more, whose value is the member's name.
    func samples(
        of sources: [any EventSource], within object: String? = nil, labelled label: String? = nil
    ) -> [MetricFamily.Sample] {
        sources.compactMap { source in
            var members = source.statusMembers
            if let object {
                guard case .object(let inner)? = members.first(where: { $0.0 == object })?.1 else { return nil }
                members = inner
            }
            guard case .number(let value)? = members.first(where: { $0.0 == member })?.1 else { return nil }
            return ([("detector", source.title)] + (label.map { [($0, member)] } ?? []), value)
        }
    }
}

/// How reloads went since the start.
struct ReloadCounts {
    private(set) var applied: UInt64 = 0
    private(set) var refused: UInt64 = 0
    /// Seconds since 1970; of the start before there was a reload.
    private(set) var lastAppliedSeconds: UInt64

    init(startedSeconds: UInt64) { lastAppliedSeconds = startedSeconds }

    mutating func note(isApplied: Bool, seconds: UInt64) {
        if isApplied {
            applied += 1
            lastAppliedSeconds = seconds
        } else {
            refused += 1
        }
    }
}
