public import AnomalyModel

/// Turns anomalies and notices into records, and numbers them.
///
/// Every record takes the next number, whatever becomes of it later: a gap in `NETANOMALY_SEQ` is a lost entry. Fields
/// that are not known are left out.
public struct RecordComposer: Sendable {
    /// `libbpf` or `bpftrace`, of what the daemon says about itself; nil until one runs.
    public var backend: String?
    /// `Priority=` of `[Rule <name>]`, where it is set: it wins over what the finding deserves.
    public var priorities: [RuleName: Priority]
    /// The number the next record gets.
    public private(set) var nextSequence: UInt64

    /// Starts at 1, or where an earlier process of the same state stopped.
    public init(backend: String? = nil, priorities: [RuleName: Priority] = [:], nextSequence: UInt64 = 1) {
        self.backend = backend
        self.priorities = priorities
        self.nextSequence = nextSequence
    }

    /// The entry for an event or a summary.
    public mutating func compose(_ enriched: EnrichedAnomaly) -> Record {
        let anomaly = enriched.anomaly
        let rule = anomaly.rule
        var fields = FieldList()
        let priority = priorities[rule.name] ?? anomaly.priority
        head(
            &fields, message(for: anomaly), rule.messageID, priority, rule.name, rule.detector, anomaly.backend)
        fields.add(.also, anomaly.also.map(\.text).joined(separator: " "))
        fields.add(.probe, anomaly.probe)
        fields.add(.function, enriched.function)
        tag(&fields, boottimeNanoseconds: anomaly.boottimeNanoseconds)
        fields.add(.interfaceName, anomaly.interfaceName)
        fields.add(.interfaceIndex, positive: anomaly.key.interfaceIndex)
        fields.add(.masterName, anomaly.masterName)
        fields.add(.networkNamespace, positive: anomaly.key.networkNamespace)
        fields.add(.direction, anomaly.direction?.rawValue)
        fields.add(.context, enriched.context?.rawValue)
        if enriched.context != .idle {
            fields.add(.pid, positive: anomaly.pid)
            fields.add(.command, anomaly.command)
            fields.add(.controlGroup, anomaly.controlGroup)
        }
        for field in anomaly.fields { fields.add(field) }
        fields.add(.dropReason, enriched.dropReason)
        fields.add(.dropLocation, enriched.dropLocation)
        let events: UInt64 = anomaly.kind == .event ? 1 : 0
        fields.add(.count, String(events + anomaly.suppressed))
        fields.add(.suppressed, String(anomaly.suppressed))
        fields.add(.firstBoottime, String(anomaly.firstBoottimeNanoseconds))
        fields.add(.lastBoottime, String(anomaly.lastBoottimeNanoseconds))
        fields.add(.stack, enriched.stack.joined(separator: "\n"))
        return Record(rule: rule.name, also: anomaly.also, events: events, priority: priority, fields: fields.all)
    }

    /// The entry for something the daemon says about itself.
    ///
    /// - Parameter boottimeNanoseconds: CLOCK_BOOTTIME of what it tells.
    public mutating func compose(_ notice: DaemonNotice, boottimeNanoseconds: UInt64) -> Record {
        var fields = FieldList()
        head(&fields, notice.message, notice.messageID, notice.priority, notice.rule, nil, backend)
        tag(&fields, boottimeNanoseconds: boottimeNanoseconds)
        for field in notice.fields { fields.add(field) }
        return Record(rule: notice.rule, events: 0, priority: notice.priority, fields: fields.all)
    }

    private func message(for anomaly: Anomaly) -> String {
        switch anomaly.kind {
        case .summary: "\(anomaly.suppressed) more of the same: \(anomaly.message)"
        case .event where anomaly.suppressed > 0:
            "\(anomaly.message) (\(anomaly.suppressed) more of the same since the last entry)"
        case .event: anomaly.message
        }
    }

    private func head(
        _ fields: inout FieldList, _ message: String, _ messageID: MessageID, _ priority: Priority, _ rule: RuleName,
        _ detector: DetectorName?, _ backend: String?
    ) {
        fields.add(.message, message)
        fields.add(.messageID, messageID.text)
        fields.add(.priority, String(priority.rawValue))
        fields.add(.syslogIdentifier, "netanomalyd")
        fields.add(.documentation, "man:netanomalyd(8)")
        fields.add(.rule, rule.text)
        fields.add(.detector, detector?.text)
        fields.add(.backend, backend)
    }

    private mutating func tag(_ fields: inout FieldList, boottimeNanoseconds: UInt64) {
        fields.add(.sequence, String(nextSequence))
        fields.add(.boottime, String(boottimeNanoseconds))
        nextSequence += 1
    }
}

/// Fields in order; nothing empty gets in.
private struct FieldList {
    private(set) var all: [Field] = []

    init() { all.reserveCapacity(40) }

    mutating func add(_ name: FieldName, _ value: String?) {
        if let value { add(Field(name, value)) }
    }

    mutating func add(_ field: Field) {
        if !field.value.isEmpty { all.append(field) }
    }

    mutating func add(_ name: FieldName, positive number: UInt32) {
        if number > 0 { add(name, String(number)) }
    }
}
