import AnomalyModel
import DaemonConfig
import Detectors
import Glibc
import SystemdProtocols
import TracingBackends

/// The answer to `status`; netanomalyctl(1) documents its members.
struct StatusReport {
    let configuration: Configuration
    let sources: [any EventSource]
    let backend: String
    let books: Books
    let path: EventPath
    let outputKind: DaemonOptions.Output
    let startedNanoseconds: UInt64
    let reloadProblem: String?
    /// Why what is written is not kept.
    let journalProblem: String?

    var json: JSON {
        .object(
            [
                ("version", .string(daemonVersion)),
                ("state", .string(state)),
                ("backend", .string(backend)),
                ("started_boottime_ns", .number(startedNanoseconds)),
                ("next_seq", .number(path.nextSequence)),
                ("names_frames", .bool(path.namesFrames)),
            ]
                + JSON.optional("reload_problem", reloadProblem)
                + [
                    ("rules", .object(books.accounts.map { ($0.rule.text, account($0.rule, $0.account)) })),
                    ("detectors", .array(sources.map(detector))),
                    ("lost_unjudged", .number(books.lostUnjudged)),
                    ("output", output),
                    ("configuration", .array(configuration.settings.map(setting))),
                ])
    }

    /// `watching`, `degraded` (something that should be watched is not), or `stopped` (nothing is to be watched).
    var state: String {
        let wanted = sources.filter { $0.isWanted(by: configuration) }
        if wanted.isEmpty { return "stopped" }
        let isComplete = wanted.allSatisfy { $0.isRunning && $0.probes.allSatisfy { $0.state == .attached } }
        return isComplete ? "watching" : "degraded"
    }

    private func account(_ rule: RuleName, _ account: RuleAccount) -> JSON {
        .object([
            ("enabled", .bool(configuration.rules[rule]?.isEnabled ?? true)),
            ("seen", .number(account.seen)), ("written", .number(account.written)),
            ("deduplicated", .number(account.deduplicated)), ("limited", .number(account.limited)),
            ("overflow", .number(account.overflow)), ("lost_ring", .number(account.lostRing)),
            ("lost_journal", .number(account.lostJournal)), ("pending", .number(account.pending)),
            ("trusted", .number(account.trusted)),
        ])
    }

    private func detector(_ source: any EventSource) -> JSON {
        .object(
            [
                ("name", .string(source.title)), ("backend", .string(source.backend.rawValue)),
                ("enabled", .bool(source.isWanted(by: configuration))), ("running", .bool(source.isRunning)),
            ]
                + JSON.optional("problem", source.problem) + source.statusMembers
                + [("probes", .array(source.probes.map { probe($0.probe, $0.state, backend: source.backend) }))])
    }

    private func probe(_ probe: Probe, _ state: ProbeState, backend: Backend) -> JSON {
        var members: [(String, JSON)] = [
            ("probe", .string(backend == .libbpf ? "tp_btf:" + probe.hook : probe.tracepoint))
        ]
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
                + JSON.optional("problem", journalProblem)
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
