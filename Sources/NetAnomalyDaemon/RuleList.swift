import AnomalyModel
import Detectors

/// `--list-rules`.
enum RuleList {
    static var text: String {
        let width = allRules.map(\.name.text.count).max() ?? 0
        return allRules.map { rule in
            let name = rule.name.text + String(repeating: " ", count: width - rule.name.text.count)
            let priority = rule.isEnabledByDefault ? rule.priority.word : "off"
            let threshold = rule.threshold.map { " (\($0.key)=\($0.defaultValue))" } ?? ""
            let space = String(repeating: " ", count: 8 - priority.count)
            return "\(name)  \(priority)\(space)\(rule.summary)\(threshold)\n"
        }.joined()
    }

    static var json: JSON {
        .array(
            allRules.map { rule in
                .object(
                    [
                        ("name", .string(rule.name.text)), ("detector", .string(rule.detector.text)),
                        ("message_id", .string(rule.messageID.text)),
                        ("priority", .number(UInt64(rule.priority.rawValue))),
                        ("enabled", .bool(rule.isEnabledByDefault)), ("summary", .string(rule.summary)),
                    ]
                        + (rule.threshold.map { threshold in
                            [
                                (
                                    "threshold",
                                    JSON.object([
                                        ("key", .string(threshold.key)),
                                        ("default", .number(UInt64(threshold.defaultValue))),
                                        ("minimum", .number(UInt64(threshold.range.lowerBound))),
                                        ("maximum", .number(UInt64(threshold.range.upperBound))),
                                        ("meaning", .string(threshold.meaning)),
                                    ])
                                )
                            ]
                        } ?? []))
            })
    }
}
