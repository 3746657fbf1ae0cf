import AnomalyModel
import DaemonConfig
import Detectors
import Glibc
import SystemdProtocols
import TracingBackends

/// The answer to `status`; netanomalyctl(1) documents its members.
struct StatusReport {
    let configuration: Configuration
    let runners: [DetectorRunner]
    let books: Books
    let path: EventPath
    let outputKind: DaemonOptions.Output
    let startedNanoseconds: UInt64
    let reloadProblem: String?

    var json: JSON {
        .object(
            [
                ("version", .string(daemonVersion)),
                ("state", .string(state)),
                ("backend", .string("libbpf")),
                ("started_boottime_ns", .number(startedNanoseconds)),
                ("next_seq", .number(path.nextSequence)),
                ("names_frames", .bool(path.namesFrames)),
            ]
                + JSON.optional("reload_problem", reloadProblem)
                + [
                    ("rules", .object(books.accounts.map { ($0.rule.text, account($0.rule, $0.account)) })),
                    ("detectors", .array(runners.map(detector))),
                    ("output", output),
                    ("configuration", .array(configuration.settings.map(setting))),
                ])
    }

    /// `watching`, `degraded` (something that should be watched is not), or `stopped` (nothing is to be watched).
    var state: String {
        let wanted = runners.filter { configuration.enabledDetectors.contains($0.detector.name) }
        if wanted.isEmpty { return "stopped" }
        let isComplete = wanted.allSatisfy { $0.isRunning && $0.probes.allSatisfy { $0.state == .attached } }
        return isComplete ? "watching" : "degraded"
    }

    private func account(_ rule: RuleName, _ account: RuleAccount) -> JSON {
        .object([
            ("enabled", .bool(configuration.rules[rule]?.isEnabled ?? false)),
            ("seen", .number(account.seen)), ("written", .number(account.written)),
            ("deduplicated", .number(account.deduplicated)), ("limited", .number(account.limited)),
            ("overflow", .number(account.overflow)), ("lost_ring", .number(account.lostRing)),
            ("lost_journal", .number(account.lostJournal)), ("pending", .number(account.pending)),
            ("trusted", .number(account.trusted)),
        ])
    }

    private func detector(_ runner: DetectorRunner) -> JSON {
        .object(
            [
                ("name", .string(runner.detector.name.text)),
                ("enabled", .bool(configuration.enabledDetectors.contains(runner.detector.name))),
                ("running", .bool(runner.isRunning)),
            ]
                + JSON.optional("problem", runner.problem?.description)
                + [
                    ("keys", .number(UInt64(runner.keys))), ("missed", .number(runner.missed)),
                    ("undecodable", .number(runner.undecodable)), ("forgotten", .number(runner.forgotten)),
                    ("kernel_memory_bytes", .number(runner.kernelMemoryBytes)),
                    ("probes", .array(runner.probes.map { probe($0.probe, $0.state) })),
                ])
    }

    private func probe(_ probe: Probe, _ state: ProbeState) -> JSON {
        var members: [(String, JSON)] = [("probe", .string("tp_btf:" + probe.hook))]
        if let reason = state.reason {
            members += [
                ("attached", .bool(false)), ("reason", .string(reason)), ("not_watched", .string(probe.lossWithout)),
            ]
        } else {
            members.append(("attached", .bool(true)))
        }
        members.append(("rules", .array(probe.rules.map { .string($0.text) })))
        return .object(members)
    }

    private var output: JSON {
        .object(
            [("kind", .string(outputKind.rawValue)), ("waiting", .number(UInt64(path.output.waiting)))]
                + JSON.optional(
                    "unreachable", path.output.unreachable.map { String(cString: strerror($0)) })
                + [
                    (
                        "lost",
                        .object(
                            LossCause.allCases.map { ($0.rawValue, .number(path.output.losses[$0] ?? 0)) })
                    )
                ])
    }

    private func setting(_ setting: EffectiveSetting) -> JSON {
        .object([
            ("section", .string(setting.section)), ("key", .string(setting.key)), ("value", .string(setting.value)),
            ("origin", .string(setting.origin)),
        ])
    }
}
