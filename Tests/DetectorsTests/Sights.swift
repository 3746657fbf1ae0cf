import AnomalyModel
import CDetectorEvents
import DaemonConfig
import Testing

@testable import Detectors

/// A line as one of our scripts printed it, by its name in Tests/Fuzz/corpus/sights: its first byte says which.
func sampleLine(_ name: String) throws -> [UInt8] {
    Array(try repositoryBytes("Tests/Fuzz/corpus/sights/\(name)").dropFirst())
}

func sampleArpSight(_ name: String) throws -> ArpSight {
    var line = SightLine(try sampleLine(name))
    return try #require(ArpSight(&line), "\(name) is no line of the script's")
}

func sampleGSOSight(_ name: String) throws -> gso_sight {
    var line = SightLine(try sampleLine(name))
    return try #require(GSOSight.read(&line), "\(name) is no line of the script's")
}

/// A frame of a table of predicates.
struct NamedFrame: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let isSent: Bool
    let facts: arp_facts

    /// - Parameter base: at what the changes of the table begin, if not at the sample.
    static func all<Verdict>(
        _ table: [PredicateCase<arp_facts, Verdict>], of base: (inout arp_facts) -> Void = { _ in },
        isSent: Bool = false
    ) -> [Self] {
        table.map { line in
            var facts = sampleArpFacts()
            base(&facts)
            line.change(&facts)
            facts.is_sent = isSent ? 1 : 0
            return Self(testDescription: line.testDescription, isSent: isSent, facts: facts)
        }
    }
}

extension arp_sight {
    private static let linkHeader = 14

    /// A frame of which these are the facts, as the script shows it on eth0, 100 s after the boot.
    ///
    /// Facts that the judge finds out by itself, from what it remembers or trusts, are not in it.
    init(_ facts: arp_facts) {
        self.init()
        way = UInt8((facts.is_sent == 0 ? ARP_SIGHT_RECEIVED : ARP_SIGHT_SENT).rawValue)
        is_process = facts.is_sent
        at.probe = (facts.is_sent == 0 ? ARP_PROBE_NETIF_RECEIVE_SKB : ARP_PROBE_NET_DEV_QUEUE).rawValue
        (at.boottime_ns, at.netns, at.ifindex, at.pid) = (100 * second, 4_026_531_840, 7, 42)
        fill(&at.ifname, "eth0".utf8)
        fill(&at.comm, "arpspoof".utf8)
        (device_flags, device_type) = (facts.is_noarp == 0 ? 0x1003 : 0x1083, facts.device_type)
        (device_address_length, device_mac, domain) = (facts.device_address_length, facts.device_mac, 7)
        places = UInt32(facts.sender_place) | UInt32(facts.target_place) << 8
        if facts.sender_mac_is_ours != 0 { places |= UInt32(ARP_SIGHT_SENDER_IS_OURS) }
        if facts.destination_is_ours != 0 { places |= UInt32(ARP_SIGHT_DESTINATION_IS_OURS) }
        (`protocol`, mac_header, data) = (0x806, facts.has_ethernet == 0 ? 0xffff : 2, 16)
        linear_end = 16 + facts.length
        put(facts)
    }

    private mutating func put(_ facts: arp_facts) {
        var frame = network(facts.eth_destination, 6) + network(facts.eth_source, 6) + [8, 6]
        frame += network(UInt64(facts.hardware_type), 2) + network(UInt64(facts.protocol_type), 2)
        frame += [facts.hardware_length, facts.protocol_length] + network(UInt64(facts.operation), 2)
        frame += network(facts.sender_mac, 6) + network(UInt64(facts.sender_ip), 4)
        frame += network(facts.target_mac, 6) + network(UInt64(facts.target_ip), 4)
        fill(&bytes, frame)
    }

    /// Puts a tag into the frame itself.
    mutating func tag(_ id: UInt16) {
        let frame = withUnsafeBytes(of: bytes) { Array($0) }
        fill(&bytes, frame[..<12] + [0x81, 0] + network(UInt64(id), 2) + frame[12..<42])
        (`protocol`, linear_end) = (0x8100, linear_end + 4)
    }
}

/// The lowest bytes of a number, the highest of them first.
private func network(_ number: UInt64, _ count: Int) -> [UInt8] {
    (1...count).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * (count - $0))) }
}

let second: UInt64 = 1_000_000_000

/// A judge with every rule of a detector but its trace, at the thresholds by default; it knows nothing yet.
func hostJudge(of detector: any Detector.Type, memoryEntries: UInt32 = 65536) throws -> HostJudge {
    let judge = try #require(HostJudge(memoryEntries: memoryEntries, cpus: 2, seed: 1))
    for (number, rule) in detector.rules.enumerated() {
        judge.set(rule: number, isEnabled: rule.priority != .debug, threshold: rule.threshold?.defaultValue ?? 0)
    }
    judge.set(sampleReasons())
    return judge
}

/// As on the kernel that the samples are from: 2 is "not specified", 73 and 62 are the drops of tc, 78 is a bad header.
///
/// That kernel has no reason for bad GSO metadata; 200 stands for it.
func sampleReasons() -> na_host_reasons {
    var reasons = na_host_reasons()
    reasons.telling = (1 << 62, 1 << (73 - 64), 0, 0)
    reasons.before_reception = (0, 1 << (73 - 64), 0, 0)
    (reasons.not_specified, reasons.device_header, reasons.bad_gso) = (2, 78, 200)
    return reasons
}

/// What a judge says of a sight: the rule that has the entry, its sub-case, and all that is broken.
struct ArpEntry {
    let rule: arp_rule
    let detail: arp_detail
    let rules: Set<arp_rule>
    let event: arp_event

    init(_ event: arp_event) {
        self.event = event
        rule = arp_rule(UInt32(event.head.key.rule))
        detail = arp_detail(UInt32(event.head.key.detail))
        let bits = event.head.key.also | 1 << UInt32(event.head.key.rule)
        rules = Set((0..<ARP_RULE_COUNT.rawValue).filter { bits & 1 << $0 != 0 }.map { arp_rule($0) })
    }
}

/// A detector as bpftrace serves it: never by its type, because Swift 6.3 fails to find the C events' conformances.
func scripted(_ detector: any Detector.Type) throws -> any BpftraceDetector.Type {
    try #require(detector as? any BpftraceDetector.Type)
}

/// Whether a detector takes the line for one of its script's.
func takes<D: BpftraceDetector>(_ detector: D.Type, _ line: some Sequence<UInt8>) -> Bool {
    var reader = SightReader(Array(line))
    return D.sight(&reader) != nil
}

/// What becomes of a line: an event's identity, and the whole of it.
func told<D: BpftraceDetector>(
    _ detector: D.Type, _ line: [UInt8], by judge: HostJudge
) throws -> [(identity: EventIdentity?, anomaly: Anomaly)] {
    var reader = SightReader(line)
    let sight = try #require(D.sight(&reader))
    var events: [D.Event] = []
    D.judge(sight, by: judge) { events.append($0) }
    return try events.map { (D.identity(of: $0), try D.anomaly(of: $0, stack: reader.stack)) }
}

extension HostJudge {
    func entries(_ sight: ArpSight) -> [ArpEntry] {
        var entries: [ArpEntry] = []
        judge(sight) { entries.append(ArpEntry($0)) }
        return entries
    }

    /// The rules that have entries, and those they name besides.
    func broken(_ sight: gso_sight) -> Set<gso_rule> {
        var bits: UInt32 = 0
        judge(sight) { bits |= $0.head.key.also | 1 << UInt32($0.head.key.rule) }
        return Set((0..<GSO_RULE_COUNT.rawValue).filter { bits & 1 << $0 != 0 }.map { gso_rule($0) })
    }
}
