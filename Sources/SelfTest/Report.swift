import AnomalyModel
import NetAnomalyDaemon
import TracingBackends

/// What the self-test found, as a table and as JSON.
struct Report {
    let rows: [ReportRow]
    let probes: [(probe: Probe, state: ProbeState)]

    /// True when something that this kernel can show was not seen.
    var isFailure: Bool { rows.contains(where: \.outcome.isFailure) }

    // MARK: Text

    /// For a person: a line for each case, then the sum.
    var text: String {
        let head = ["RULE", "RESULT", "SEEN BY", "AFTER", "MADE BY, OR WHY NOT"]
        let lines = [head] + rows.map(Self.columns)
        let widths = head.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        let table = lines.map { line in
            zip(line, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
                .trimmingEnd + "\n"
        }
        return table.joined() + "\n" + sum + missingProbes
    }

    private static func columns(_ row: ReportRow) -> [String] {
        let means = row.means ?? ""
        return switch row.outcome {
        case .seen(let hook, let nanoseconds): [row.rule, "seen", hook, duration(nanoseconds), means]
        case .notSeen: [row.rule, "NOT SEEN", "-", "-", means]
        case .blind(let reason): [row.rule, "blind", "-", "-", reason]
        case .notMade(let reason): [row.rule, "not made", "-", "-", reason]
        case .failed(let reason): [row.rule, "FAILED", "-", "-", reason]
        }
    }

    /// `38 us`, `12.3 ms`: microseconds as far as four digits go.
    static func duration(_ nanoseconds: UInt64) -> String {
        let microseconds = (nanoseconds + 500) / 1000
        if microseconds < 10_000 { return "\(microseconds) us" }
        return "\(microseconds / 1000).\(microseconds / 100 % 10) ms"
    }

    private var sum: String {
        let words = ["seen", "not seen", "not made", "blind", "failed"]
        let counts = words.map { word in (word, rows.filter { Self.word($0.outcome) == word }.count) }
        let attached = probes.filter { $0.state == .attached }.count
        return counts.filter { $0.1 > 0 || $0.0 == "not seen" }.map { "\($0.1) \($0.0)" }.joined(separator: ", ")
            + "; \(attached) of \(probes.count) probes attached\n"
    }

    private var missingProbes: String {
        probes.map { probe, state in
            guard let reason = state.reason else { return "" }
            return "Without \(probe.hook), \(probe.lossWithout): not watched (\(reason))\n"
        }.joined()
    }

    // MARK: JSON

    /// For a program.
    var json: JSON {
        .object([
            ("version", .string(daemonVersion)), ("passed", .bool(!isFailure)),
            ("results", .array(rows.map(Self.json))), ("probes", .array(probes.map(Self.json))),
        ])
    }

    private static func json(_ row: ReportRow) -> JSON {
        var members: [(String, JSON)] = [("rule", .string(row.rule)), ("result", .string(word(row.outcome)))]
        if let means = row.means { members.append(("made_by", .string(means))) }
        switch row.outcome {
        case .seen(let hook, let nanoseconds):
            members += [("probe", .string(hook)), ("latency_ns", .number(nanoseconds))]
        case .notSeen: break
        case .blind(let reason), .notMade(let reason), .failed(let reason):
            members.append(("reason", .string(reason)))
        }
        return .object(members)
    }

    private static func json(_ probe: Probe, _ state: ProbeState) -> JSON {
        var members: [(String, JSON)] = [
            ("hook", .string(probe.hook)), ("attached", .bool(state == .attached)),
        ]
        if let reason = state.reason { members.append(("reason", .string(reason))) }
        return .object(members)
    }

    private static func word(_ outcome: Outcome) -> String {
        switch outcome {
        case .seen: "seen"
        case .notSeen: "not seen"
        case .blind: "blind"
        case .notMade: "not made"
        case .failed: "failed"
        }
    }
}

extension String {
    fileprivate var trimmingEnd: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
