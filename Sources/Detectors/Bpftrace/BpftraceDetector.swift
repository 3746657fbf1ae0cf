public import AnomalyModel
public import CDetectorEvents

/// A detector whose facts bpftrace can gather, too; it judges them in this process.
public protocol BpftraceDetector: Detector {
    /// What one line of the script tells.
    associatedtype Sight: Sendable

    /// The script, as it stands in `bpftrace/`.
    static var script: String { get }
    /// The script's positional parameters.
    static func arguments(_ conditions: ScriptConditions) -> [String]
    /// True if rules remember earlier sights, which must then come in the order of their time.
    static var needsOrder: Bool { get }
    /// Reads a line; nil if it is none of the script's.
    static func sight(_ line: inout SightReader) -> Sight?
    /// Hands each event that a sight makes to `take`.
    static func judge(_ sight: Sight, by judge: HostJudge, take: (Event) -> Void)
    /// All of that for each line.
    static func sightJudge(_ judge: HostJudge, deliver: @escaping EventDelivery) -> SightJudge
}

/// What a script is told of the configuration and of the running kernel.
public struct ScriptConditions: Sendable {
    /// Rules that are judged.
    public var enabledRules: Set<RuleName>
    /// Thresholds of rules that have one.
    public var thresholds: [RuleName: UInt32]
    /// The drop reason for a bad device header; nil if this kernel has none.
    public var deviceHeaderReason: UInt32?
    /// Offsets of the detector's ``Detector/moduleMembers``, and of a device's private part, as parameters.
    public var layout: [String]

    /// Describes the conditions.
    public init(
        enabledRules: Set<RuleName>, thresholds: [RuleName: UInt32], deviceHeaderReason: UInt32?, layout: [String]
    ) {
        self.enabledRules = enabledRules
        self.thresholds = thresholds
        self.deviceHeaderReason = deviceHeaderReason
        self.layout = layout
    }
}

/// A line of a script on its way to a sight.
public struct SightReader {
    var line: SightLine

    /// Begins to read.
    ///
    /// - Parameter text: what the script printed, without the newline at its end.
    public init(_ text: [UInt8]) { line = SightLine(text) }

    /// CLOCK_BOOTTIME of what a line tells, the first of its numbers.
    static func boottimeNanoseconds(of text: [UInt8]) -> UInt64 {
        var line = SightLine(text)
        _ = line.word()
        return line.number()
    }

    /// The kernel stack that was printed with it.
    public var stack: StackText { StackText(line.stack) }
}

extension BpftraceDetector {
    /// The identity of an event, which costs less than the whole of it.
    public static func identity(of event: Event) -> EventIdentity? {
        let head = head(of: event)
        guard head.key.rule < rules.count, head.key.also >> UInt32(rules.count) == 0 else { return nil }
        let rule = rules[Int(head.key.rule)]
        return EventIdentity(
            key: key(of: head, rule: rule), also: names(ofBits: head.key.also), boottimeNanoseconds: head.boottime_ns)
    }

    /// All that an event tells, with the stack that bpftrace printed.
    public static func anomaly(of event: Event, stack: StackText) throws(DecodeError) -> Anomaly {
        var anomaly = try anomaly(head(of: event), kind: NA_KIND_EVENT) { finding(in: event, rule: $0) }
        anomaly.probe = probes[Int(head(of: event).probe)].tracepoint
        anomaly.backend = "bpftrace"
        anomaly.frames = stack.frames
        return anomaly
    }
}

extension ArpDetector: BpftraceDetector {
    /// `bpftrace/trace-abnormal-arp-tracepoints.bt`.
    public static var script: String { ArpScript.text }
    /// It prints every frame.
    public static func arguments(_ conditions: ScriptConditions) -> [String] { ["1"] }
    /// Most of its rules are about repetition, or about what was asked before.
    public static let needsOrder = true

    /// A frame, or a change in the neighbour table.
    public static func sight(_ reader: inout SightReader) -> ArpSight? { ArpSight(&reader.line) }

    /// By the rules of `bpf/judge/arp_judge.h`.
    public static func judge(_ sight: ArpSight, by judge: HostJudge, take: (arp_event) -> Void) {
        judge.judge(sight, take: take)
    }

    /// In the order of their time.
    public static func sightJudge(_ judge: HostJudge, deliver: @escaping EventDelivery) -> SightJudge {
        makeSightJudge(ArpDetector.self, judge, deliver)
    }
}

extension TunGSODetector: BpftraceDetector {
    /// `bpftrace/tun-abnormal-gso-type-tracepoints.bt`.
    public static var script: String { TunGSOScript.text }
    /// It passes over what looks normal, unless every GSO packet is traced.
    public static func arguments(_ conditions: ScriptConditions) -> [String] {
        let isTraced = conditions.enabledRules.contains(rules[Int(GSO_RULE_TRACE.rawValue)].name)
        let smallest = conditions.thresholds[rules[Int(GSO_RULE_TINY_SIZE.rawValue)].name] ?? 0
        return ["1", isTraced ? "1" : "0", String(smallest), String(conditions.deviceHeaderReason ?? 0)]
            + conditions.layout
    }
    /// Each packet is judged by itself.
    public static let needsOrder = false

    /// A packet.
    public static func sight(_ reader: inout SightReader) -> gso_sight? { GSOSight.read(&reader.line) }

    /// By the rules of `tun_gso_judge.h`.
    public static func judge(_ sight: gso_sight, by judge: HostJudge, take: (gso_event) -> Void) {
        judge.judge(sight, take: take)
    }

    /// As they come.
    public static func sightJudge(_ judge: HostJudge, deliver: @escaping EventDelivery) -> SightJudge {
        makeSightJudge(TunGSODetector.self, judge, deliver)
    }
}
