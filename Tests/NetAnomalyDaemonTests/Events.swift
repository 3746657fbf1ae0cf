import AnomalyModel
import CDetectorEvents
import DaemonConfig
import Detectors

@testable import NetAnomalyDaemon

let second: UInt64 = 1_000_000_000

/// By their place in the list, never by their types: Swift 6.3 fails to find the C events' conformances from here.
let (arp, tunGSO) = (allDetectors[0], allDetectors[1])

func configuration(_ text: String = "") throws -> Configuration {
    try Configuration(sources: [ConfigurationSource(path: "test.conf", bytes: Array(text.utf8))], rules: allRules)
}

/// Puts the bytes into a C array.
func fill<Tuple>(_ tuple: inout Tuple, _ bytes: some Collection<UInt8>) {
    withUnsafeMutableBytes(of: &tuple) { $0.copyBytes(from: bytes.prefix($0.count)) }
}

/// The bytes of a C structure, as the kernel puts them into the ring.
func ringBytes<Event: BitwiseCopyable>(_ event: Event) -> [UInt8] {
    withUnsafeBytes(of: event) { Array($0) }
}

/// Decodes ring bytes of one of a detector's records.
func decode(_ bytes: [UInt8], as detector: any Detector.Type) throws -> Anomaly {
    try bytes.withUnsafeBytes { try detector.decode($0) }
}

private func head(rule: UInt32, probe: UInt32, direction: na_direction, interface: String) -> na_event_head {
    var head = na_event_head()
    head.kind = NA_KIND_EVENT.rawValue
    (head.key.rule, head.probe, head.direction) = (UInt16(rule), probe, direction.rawValue)
    (head.key.netns, head.key.ifindex, head.key.netns_cookie) = (4_026_531_840, 3, 1)
    (head.boottime_ns, head.first_ns, head.last_ns) = (100 * second, 100 * second, 100 * second)
    (head.stack.0, head.stack.1, head.stack_depth) = (0xffff_ffff_8100_0010, 0xffff_ffff_8100_0020, 2)
    head.pid = 77
    fill(&head.comm, "arping".utf8)
    fill(&head.ifname, interface.utf8)
    fill(&head.cgroup, "session-1.scope".utf8)
    return head
}

/// A reply by which 02:66:00:00:00:01 claims 192.0.2.1.
func conflictEvent() -> arp_event {
    var event = arp_event()
    event.head = head(
        rule: ARP_RULE_ADDRESS_CONFLICT.rawValue, probe: ARP_PROBE_NETIF_RECEIVE_SKB.rawValue,
        direction: NA_DIRECTION_RX, interface: "eth0")
    event.head.key.detail = UInt16(ARP_DETAIL_CONFLICT_CLAIM.rawValue)
    (event.head.key.b, event.head.key.c) = (0x0266_0000_0001, 0xc000_0201)
    event.sender_ip = UInt32(0xc000_0201).bigEndian
    event.target_ip = UInt32(0xc000_0202).bigEndian
    (event.hardware_type, event.protocol_type, event.operation) = (1, 0x800, 2)
    (event.hardware_length, event.protocol_length, event.length, event.vlan) = (6, 4, 46, 12)
    (event.has_ethernet, event.has_header, event.has_addresses) = (1, 1, 1)
    event.eth_source = (2, 0x66, 0, 0, 0, 1)
    event.eth_destination = (255, 255, 255, 255, 255, 255)
    event.sender_mac = (2, 0x66, 0, 0, 0, 1)
    event.target_mac = (2, 0x66, 0, 0, 0, 2)
    return event
}

/// A TCP packet on its way to the owner of tap0 with a gso_size but no gso_type.
func typelessEvent() -> gso_event {
    var event = gso_event()
    event.head = head(
        rule: GSO_RULE_SIZE_WITHOUT_TYPE.rawValue, probe: GSO_PROBE_NET_DEV_START_XMIT.rawValue,
        direction: NA_DIRECTION_TX, interface: "tap0")
    (event.gso_size, event.gso_segs, event.length, event.tun_flags) = (1448, 3, 4410, 0x5002)
    (event.device_kind, event.ip_summed, event.has_gso) = (UInt8(GSO_DEVICE_TUN.rawValue), 3, 1)
    (event.ip_version, event.l4_protocol, event.has_addresses, event.has_ports) = (4, 6, 1, 1)
    (event.source_port, event.destination_port) = (443, 50_000)
    fill(&event.source, [192, 0, 2, 1])
    fill(&event.destination, [192, 0, 2, 2])
    fill(&event.headers, [0x45, 0x00, 0x11])
    event.headers_length = 3
    return event
}

/// The same numbers on every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
