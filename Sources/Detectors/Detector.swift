public import AnomalyModel
public import CDetectorEvents

/// Why bytes from a ring are not an event; the daemon counts these, they mean a defect or a foreign build.
public enum DecodeError: Error, Equatable, CustomStringConvertible {
    /// The record has neither the event's size nor a summary's.
    case wrongSize(got: Int)
    /// A rule, probe, kind, direction or stack depth that this build does not know.
    case unknown(what: String, number: UInt32)

    /// A sentence for the accounts.
    public var description: String {
        switch self {
        case .wrongSize(let got): "a record of \(got) bytes is neither an event nor a summary"
        case .unknown(let what, let number): "\(what) \(number) is not known to this build"
        }
    }
}

/// A family of rules: the kernel half that finds anomalies, and the words for what it found.
///
/// A detector is an event header (`bpf/include/<x>_event.h`), its predicates (`<x>_rules.h`), a BPF program
/// (`bpf/<x>.bpf.c`), and a conforming type here; `AllDetectors.swift` and `CDetectorEvents.h` name it in a line each.
public protocol Detector: Sendable {
    /// The C structure of one event; its first member is the common head.
    associatedtype Event: BitwiseCopyable

    /// `arp`: section, journal field and files derive from it.
    static var name: DetectorName { get }
    /// The compiled kernel half, for every kernel that is supported.
    static var object: ProbeObject { get }
    /// The same programs compiled for newer kernels, where they cost less: tried first, best first.
    static var fasterObjects: [ProbeObject] { get }
    /// Members of modules' structures that the programs need, at the index their number in the event header says.
    static var moduleMembers: [ModuleMember] { get }
    /// All rules, at the index their number in the event header says.
    static var rules: [Rule] { get }
    /// All probes, at the index their number in the event header says.
    static var probes: [Probe] { get }

    /// The common head of an event.
    static func head(of event: Event) -> na_event_head
    /// What an event tells beyond the head: sentence, urgency and fields.
    static func finding(in event: Event, rule: Rule) -> Finding
    /// The same as far as the head of a summary remembers it.
    static func finding(in summary: na_event_head, rule: Rule) -> Finding
}

/// What a detector has to say about one anomaly.
public struct Finding: Sendable {
    /// One plain sentence.
    public var message: String
    /// The rule's priority, or what this sub-case deserves.
    public var priority: Priority
    /// The rule's own journal fields.
    public var fields: [Field]

    /// Makes a finding.
    public init(message: String, priority: Priority, fields: [Field]) {
        self.message = message
        self.priority = priority
        self.fields = fields
    }
}

extension Detector {
    /// None, unless a detector says otherwise.
    public static var fasterObjects: [ProbeObject] { [] }

    /// None, unless a detector says otherwise.
    public static var moduleMembers: [ModuleMember] { [] }

    /// Turns one ring record into an anomaly; nothing of a record that does not fit is used.
    public static func decode(_ bytes: UnsafeRawBufferPointer) throws(DecodeError) -> Anomaly {
        if bytes.count == MemoryLayout<Event>.size {
            let event = bytes.loadUnaligned(as: Event.self)
            return try anomaly(head(of: event), kind: NA_KIND_EVENT) { finding(in: event, rule: $0) }
        }
        guard bytes.count == MemoryLayout<na_event_head>.size else { throw .wrongSize(got: bytes.count) }
        let head = bytes.loadUnaligned(as: na_event_head.self)
        return try anomaly(head, kind: NA_KIND_SUMMARY) { finding(in: head, rule: $0) }
    }

    static func anomaly(
        _ head: na_event_head, kind: na_kind, _ find: (Rule) -> Finding
    ) throws(DecodeError) -> Anomaly {
        guard head.kind == kind.rawValue else { throw .unknown(what: "record kind", number: head.kind) }
        guard head.key.rule < rules.count else { throw .unknown(what: "rule", number: UInt32(head.key.rule)) }
        guard head.probe < probes.count else { throw .unknown(what: "probe", number: head.probe) }
        guard head.stack_depth <= NA_STACK_MAX else {
            throw .unknown(what: "stack depth", number: head.stack_depth)
        }
        let rule = rules[Int(head.key.rule)]
        let finding = find(rule)
        var anomaly = Anomaly(
            rule: rule, priority: finding.priority, kind: kind == NA_KIND_EVENT ? .event : .summary,
            message: finding.message, key: key(of: head, rule: rule), boottimeNanoseconds: head.boottime_ns,
            firstBoottimeNanoseconds: head.first_ns, lastBoottimeNanoseconds: head.last_ns,
            suppressed: head.suppressed, probe: "tp_btf:" + probes[Int(head.probe)].hook,
            interfaceName: text(head.ifname), direction: try direction(head.direction), pid: head.pid,
            command: text(head.comm) ?? "",
            controlGroup: text(head.cgroup), stack: stack(of: head), dropLocation: head.location,
            dropReason: head.location == 0 ? nil : head.drop_reason,
            fields: finding.fields + (head.is_gateway == 0 ? [] : [Field(.gateway, "yes")]))
        guard head.key.also >> UInt32(rules.count) == 0 else { throw .unknown(what: "rules in", number: head.key.also) }
        anomaly.also = names(ofBits: head.key.also)
        anomaly.masterName = text(head.master)
        return anomaly
    }

    static func names(ofBits bits: UInt32) -> [RuleName] {
        bits == 0 ? [] : rules.indices.filter { bits & 1 << UInt32($0) != 0 }.map { rules[$0].name }
    }

    static func key(of head: na_event_head, rule: Rule) -> AnomalyKey {
        AnomalyKey(
            rule: rule.name, networkNamespace: head.key.netns, interfaceIndex: head.key.ifindex,
            detail: UInt32(head.key.detail),
            words: [head.key.netns_cookie, head.key.a, head.key.b, head.key.c, UInt64(head.key.also)])
    }

    private static func direction(_ number: UInt32) throws(DecodeError) -> Direction? {
        switch na_direction(number) {
        case NA_DIRECTION_NONE: nil
        case NA_DIRECTION_RX: .receive
        case NA_DIRECTION_TX: .transmit
        default: throw .unknown(what: "direction", number: number)
        }
    }

    private static func stack(of head: na_event_head) -> [UInt64] {
        withUnsafeBytes(of: head.stack) { Array($0.bindMemory(to: UInt64.self).prefix(Int(head.stack_depth))) }
    }
}

/// A C array of bytes as an array.
func bytes<Tuple>(_ tuple: Tuple) -> [UInt8] {
    withUnsafeBytes(of: tuple) { Array($0) }
}

/// A C string field as safe text; nil when it is empty.
func text<Tuple>(_ tuple: Tuple) -> String? {
    let text = safeText(bytes(tuple))
    return text.isEmpty ? nil : text
}
