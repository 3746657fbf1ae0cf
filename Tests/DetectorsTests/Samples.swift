public import AnomalyModel
import CDetectorEvents
import Detectors
import Glibc
public import Testing

extension Rule: CustomTestStringConvertible {
    /// The rule's name.
    public var testDescription: String { name.text }
}

/// One line of a table of predicates: what is changed in facts that are fine, and what comes of it.
struct PredicateCase<Facts, Verdict: Sendable>: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let verdict: Verdict
    let change: @Sendable (inout Facts) -> Void

    init(_ description: String, _ verdict: Verdict, _ change: @escaping @Sendable (inout Facts) -> Void) {
        testDescription = description
        self.verdict = verdict
        self.change = change
    }
}

let arp = detector("arp")
let tunGSO = detector("tun-gso")

private func detector(_ name: String) -> any Detector.Type {
    guard let found = allDetectors.first(where: { $0.name.text == name }) else { preconditionFailure("no \(name)") }
    return found
}

private let repository = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()

/// The names of what is in a folder of the repository.
func repositoryNames(_ folder: String) throws -> [String] {
    let stream = try #require(opendir(repository + "/" + folder), "cannot open \(folder)")
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
        names.append(String(decoding: name, as: UTF8.self))
    }
    return names
}

/// The text of every file of that ending in a folder of the repository.
func repositoryFiles(_ folder: String, ending: String) throws -> [String] {
    try repositoryNames(folder).filter { $0.hasSuffix(ending) }.map { try repositoryFile(folder + "/" + $0) }
}

/// The text of a file of the repository.
func repositoryFile(_ path: String) throws -> String {
    try #require(String(validating: repositoryBytes(path), as: UTF8.self))
}

/// A file of the repository.
func repositoryBytes(_ path: String) throws -> [UInt8] {
    let file = try #require(fopen(repository + "/" + path, "r"), "cannot open \(path)")
    defer { fclose(file) }
    var bytes: [UInt8] = []
    while case let byte = getc(file), byte != EOF { bytes.append(UInt8(byte)) }
    return bytes
}

/// Lines of a manual page, with its hyphens as they are read.
func manualLines(_ path: String) throws -> [String] {
    try repositoryFile(path).split(separator: "\n").map { line in
        line.split(separator: "\\-", omittingEmptySubsequences: false).joined(separator: "-")
    }
}

/// Writes bytes into a C array and clears what is left of it.
func fill<Tuple: BitwiseCopyable>(_ tuple: inout Tuple, _ bytes: some Sequence<UInt8>) {
    withUnsafeMutableBytes(of: &tuple) { memory in
        for index in memory.indices { memory[index] = 0 }
        for (index, byte) in zip(memory.indices, bytes) { memory[index] = byte }
    }
}

/// A head that every detector takes: an event received on eth0 by its rule 0 and probe 0.
func sampleHead(rule: UInt32 = 0, detail: UInt32 = 0, kind: na_kind = NA_KIND_EVENT) -> na_event_head {
    var head = na_event_head()
    head.key.rule = UInt16(rule)
    head.key.detail = UInt16(detail)
    head.key.netns = 4_026_531_840
    head.key.netns_cookie = 9
    head.key.ifindex = 7
    head.boottime_ns = 3000
    head.first_ns = 1000
    head.last_ns = 2000
    head.suppressed = 5
    head.kind = kind.rawValue
    head.direction = NA_DIRECTION_RX.rawValue
    head.pid = 42
    fill(&head.comm, "arpspoof".utf8)
    fill(&head.ifname, "eth0".utf8)
    return head
}

func eventSize<Family: Detector>(of _: Family.Type) -> Int { MemoryLayout<Family.Event>.size }

/// The ring record of an event, of which nothing but the head is set.
func record(_ head: na_event_head, for detector: any Detector.Type) -> [UInt8] {
    let bytes = withUnsafeBytes(of: head) { Array($0) }
    return bytes + [UInt8](repeating: 0, count: eventSize(of: detector) - bytes.count)
}

func decode(_ bytes: [UInt8], as detector: any Detector.Type) throws -> Anomaly {
    try bytes.withUnsafeBytes { try detector.decode($0) }
}

func decode<Value: BitwiseCopyable>(_ value: Value, as detector: any Detector.Type) throws -> Anomaly {
    try withUnsafeBytes(of: value) { try detector.decode($0) }
}

/// A broadcast request of 02:66:00:00:00:02, which is 192.0.2.1, for our 192.0.2.9, on Ethernet: nothing is wrong.
func sampleArpFacts() -> arp_facts {
    var facts = arp_facts()
    (facts.eth_source, facts.eth_destination) = (0x0266_0000_0002, 0xffff_ffff_ffff)
    (facts.sender_mac, facts.sender_ip) = (0x0266_0000_0002, 0xc000_0201)
    (facts.target_mac, facts.target_ip) = (0, 0xc000_0209)
    facts.device_mac = 0x0266_0000_0009
    (facts.length, facts.hardware_type, facts.protocol_type, facts.operation) = (28, 1, 0x800, 1)
    (facts.hardware_length, facts.protocol_length) = (6, 4)
    (facts.device_type, facts.device_address_length, facts.has_ethernet) = (1, 6, 1)
    facts.sender_place = places(ARP_PLACE_ON_LINK, ARP_PLACE_HAS_SUBNET)
    facts.target_place = places(ARP_PLACE_OURS, ARP_PLACE_ON_LINK, ARP_PLACE_HAS_SUBNET)
    return facts
}

/// `enum arp_place` as a frame's facts have it.
func places(_ bits: arp_place...) -> UInt8 { bits.reduce(0) { $0 | UInt8($1.rawValue) } }

/// An ARP reply of 02:66:00:00:00:02 for 192.0.2.1, received untagged on eth0.
///
/// For rules about the neighbour table, what became of 192.0.2.5.
func sampleArpEvent(_ rule: arp_rule, detail: arp_detail = ARP_DETAIL_NONE) -> arp_event {
    var event = arp_event()
    event.head = sampleHead(rule: rule.rawValue, detail: detail.rawValue)
    event.sender_ip = UInt32(0xc000_0201).bigEndian
    event.target_ip = UInt32(0xc000_0209).bigEndian
    event.length = 46
    event.hardware_type = 1
    event.protocol_type = 0x800
    event.operation = 2
    event.vlan = 0xffff
    event.hardware_length = 6
    event.protocol_length = 4
    event.has_ethernet = 1
    event.has_header = 1
    event.has_addresses = 1
    event.eth_destination = (0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
    event.eth_source = (2, 0x66, 0, 0, 0, 2)
    event.sender_mac = (2, 0x66, 0, 0, 0, 2)
    event.target_mac = (2, 0x66, 0, 0, 0, 9)
    tellNeighbour(rule, &event)
    return event
}

/// What rules about the neighbour table, or about who claimed an address before, have besides.
private func tellNeighbour(_ rule: arp_rule, _ event: inout arp_event) {
    switch rule {
    case ARP_RULE_BINDING_CHANGE, ARP_RULE_FLIP_FLOP, ARP_RULE_STATIC_OVERWRITE:
        (event.has_neighbour, event.old_state, event.new_state) = (1, 2, 4)
        event.neighbour_ip = UInt32(0xc000_0205).bigEndian
        event.old_mac = (2, 0x66, 0, 0, 0, 5)
        event.new_mac = (2, 0x66, 0, 0, 0, 6)
    case ARP_RULE_RESOLUTION_FAILED, ARP_RULE_TABLE_OVERFLOW:
        (event.has_ethernet, event.has_header, event.has_addresses, event.length) = (0, 0, 0, 0)
        (event.has_neighbour, event.old_state, event.new_state) = (1, 0x20, 0x20)
        event.neighbour_ip = UInt32(0xc000_0205).bigEndian
    case ARP_RULE_DUPLICATE_CLAIM:
        event.old_mac = (2, 0x66, 0, 0, 0, 5)
        event.new_mac = event.sender_mac
    default: break
    }
}

/// A TCP packet over IPv4 that came from the owner of tap0.
func sampleGSOEvent(_ rule: gso_rule, detail: gso_detail = GSO_DETAIL_NONE) -> gso_event {
    var event = gso_event()
    event.head = sampleHead(rule: rule.rawValue, detail: detail.rawValue)
    fill(&event.head.ifname, "tap0".utf8)
    event.gso_type = GSO_TCPV4.rawValue | GSO_DODGY.rawValue
    event.length = 4210
    event.tun_flags = 0x5002
    event.gso_size = 1448
    event.gso_segs = 3
    event.source_port = 40000
    event.destination_port = 443
    event.headers_length = 3
    event.device_kind = UInt8(GSO_DEVICE_TUN.rawValue)
    event.ip_summed = 3
    event.ip_version = 4
    event.l4_protocol = 6
    event.has_ports = 1
    event.has_addresses = 1
    event.has_gso = 1
    fill(&event.source, [192, 0, 2, 1])
    fill(&event.destination, [192, 0, 2, 9])
    fill(&event.headers, [0x02, 0x66, 0xff, 0xee])
    return event
}

extension Anomaly {
    /// The rule's own fields as a person would write them down.
    var fieldLines: [String] { fields.map { "\($0.name.dropFirst("NETANOMALY_".count))=\($0.value)" } }
}

/// The same numbers on every run (Knuth's MMIX generator).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 32
    }
}
