public import AnomalyModel

/// What turns the reports of one script into anomalies: its rules come to be as it names them.
public struct ScriptRules: Sendable {
    /// As in `NETANOMALY_DETECTOR`, for all scripts.
    public static let detector = DetectorName("script")
    /// Rules of one script: names are for kinds of trouble, not for addresses.
    public static let maximumRules = 32
    /// As long as a script's name and a key together.
    public static let maximumNameBytes = 80
    /// Longest sentence made of facts; the journal has all of them anyway.
    private static let maximumSentenceBytes = 512

    /// The script's name, and what its rules' names begin with.
    public let name: String
    /// Of reports that name none.
    public var priority: Priority
    /// Keys of what tells two reports of a rule apart, besides interface and namespace; nil for all facts but numbers.
    public var keyFields: [String]?
    /// The rules that reports have named so far.
    public private(set) var rules: [RuleName: Rule] = [:]

    /// Starts without a rule; `priority` and `keyFields` may change at a reload.
    public init(name: String, priority: Priority, keyFields: [String]?) {
        self.name = name
        self.priority = priority
        self.keyFields = keyFields
    }

    /// The anomaly that a report tells of.
    ///
    /// - Parameter now: CLOCK_BOOTTIME in nanoseconds: the event's time if the report has none, or one to come.
    public mutating func anomaly(
        _ report: ScriptReport, now: UInt64
    ) throws(UnreadableReport) -> Anomaly {
        let rule = try rule(named: report.rule ?? name)
        let time = min(report.boottimeNanoseconds ?? now, now)
        let key = AnomalyKey(
            rule: rule.name, networkNamespace: report.networkNamespace, interfaceIndex: report.interfaceIndex,
            detail: 0, words: identity(of: report))
        var anomaly = Anomaly(
            rule: rule, priority: report.priority ?? priority, kind: .event,
            message: report.message ?? sentence(report, rule: rule.name), key: key,
            boottimeNanoseconds: time, firstBoottimeNanoseconds: time, lastBoottimeNanoseconds: time,
            suppressed: 0, probe: "bpftrace:\(name)", interfaceName: report.interfaceName, direction: nil,
            pid: report.pid, command: report.command, controlGroup: nil, stack: [], dropLocation: 0,
            fields: report.facts.map { Field(scriptKey: $0.key, $0.value) })
        anomaly.frames = report.frames
        return anomaly
    }

    private mutating func rule(named text: String) throws(UnreadableReport) -> Rule {
        if let rule = rules[RuleName(text)] { return rule }
        guard text == name || text.hasPrefix("\(name)-"), Self.isRuleName(text) else {
            throw UnreadableReport(
                "expected rule '\(name)' or '\(name)-...' in lower-case letters, digits and hyphens, found "
                    + shown(Array(text.utf8)[...]))
        }
        guard rules.count < Self.maximumRules else {
            throw UnreadableReport("rule '\(text)' would be one more than \(Self.maximumRules)")
        }
        let rule = Rule(
            text, detector: Self.detector, messageID: MessageID(ofScriptRule: text).text, priority: priority,
            summary: "reported by script \(name)")
        rules[rule.name] = rule
        return rule
    }

    private static func isRuleName(_ text: String) -> Bool {
        text.utf8.count <= maximumNameBytes
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
            }
    }

    // MARK: What makes two reports the same

    /// The texts themselves, each ended by a byte that none has: no two identities have the same words.
    private func identity(of report: ScriptReport) -> [UInt64] {
        var bytes: [UInt8] = []
        func add(_ text: String) {
            bytes += text.utf8
            bytes.append(0)
        }
        add(report.interfaceName ?? "")
        if let keyFields {
            for key in keyFields {
                switch key {
                case "pid": add(String(report.pid))
                case "comm": add(report.command)
                default: add(report.facts.first { $0.key == key }?.value ?? "")
                }
            }
        } else {
            for fact in report.facts where !Self.isNumber(fact.value) {
                add(fact.key)
                add(fact.value)
            }
        }
        bytes += repeatElement(0, count: 7 - (bytes.count + 7) % 8)
        return stride(from: 0, to: bytes.count, by: 8).map { start in
            bytes[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    /// Whether a text is what `%d` or `%p` print: digits, perhaps with a sign or a point, or hexadecimal after 0x.
    private static func isNumber(_ text: String) -> Bool {
        var digits = text.utf8[...]
        let isHexadecimal = digits.starts(with: "0x".utf8)
        digits = digits.dropFirst(isHexadecimal ? 2 : digits.first == UInt8(ascii: "-") ? 1 : 0)
        var hasPoint = isHexadecimal
        var last: UInt8?
        for byte in digits {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): break
            case UInt8(ascii: "a")...UInt8(ascii: "f") where isHexadecimal: break
            case UInt8(ascii: ".") where !hasPoint && last != nil: hasPoint = true
            default: return false
            }
            last = byte
        }
        return last != nil && last != UInt8(ascii: ".")
    }

    // MARK: Words for a person

    /// `tcp-storm on eth0: daddr 192.0.2.1, retransmits 57`.
    private func sentence(_ report: ScriptReport, rule: RuleName) -> String {
        var sentence = rule.text + (report.interfaceName.map { " on \($0)" } ?? "")
        for (index, fact) in report.facts.enumerated() {
            let part = "\(index == 0 ? ":" : ",") \(fact.key) \(fact.value)"
            if sentence.utf8.count + part.utf8.count > Self.maximumSentenceBytes { return sentence + ", ..." }
            sentence += part
        }
        return sentence
    }
}
