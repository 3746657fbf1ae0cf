public import AnomalyModel
public import CDetectorEvents

/// Abnormal GSO metadata of packets to and from the owner of a TUN, TAP, macvtap or ipvtap device.
public enum TunGSODetector: Detector {
    /// As in journal and configuration.
    public static let name = DetectorName("tun-gso")
    /// `bpf/tun_gso.bpf.c`, compiled.
    public static let object = ProbeObject.tunGso
    /// `bpf/tun_gso_cast.bpf.c`: Linux 6.2 and newer.
    public static let fasterObjects = [ProbeObject.tunGsoCast]
    /// In the order of `gso_member`.
    public static let moduleMembers = TunGSORules.moduleMembers
    /// In the order of the rules' numbers.
    public static let rules = TunGSORules.all
    /// In the order of the probes' numbers.
    public static let probes = TunGSORules.probes

    /// The common head.
    public static func head(of event: gso_event) -> na_event_head { event.head }

    /// From all that the event tells.
    public static func finding(in event: gso_event, rule: Rule) -> Finding {
        finding(GSOFacts(event), key: event.head.key, rule: rule)
    }

    /// From what the key remembers.
    public static func finding(in summary: na_event_head, rule: Rule) -> Finding {
        finding(GSOFacts(summary.key, interface: text(summary.ifname)), key: summary.key, rule: rule)
    }

    private static func finding(_ facts: GSOFacts, key: na_key, rule: Rule) -> Finding {
        Finding(
            message: GSOWords.sentence(facts, detail: UInt32(key.detail), rule: UInt32(key.rule)),
            priority: UInt32(key.detail) == GSO_DETAIL_MINUTE.rawValue ? .error : rule.priority,
            fields: (GSOWords.subcase(UInt32(key.detail)).map { [Field(.detail, $0)] } ?? []) + facts.fields)
    }
}

/// What is known of one GSO anomaly: all of it from an event, the key's part from a summary.
struct GSOFacts {
    /// `NETANOMALY_*` text of a packet's flow, or nil.
    var source: String?
    var destination: String?
    var ipVersion: UInt8
    var l4Protocol: UInt8?
    var sourcePort: UInt16?
    var destinationPort: UInt16?
    var interface: String?
    var deviceKind: UInt8
    var tunFlags: UInt32 = 0
    var isFromOwner: Bool?
    /// Bits of `gso_type_bit`; nil where the packet's metadata was refused before it had any.
    var type: UInt32?
    var size: UInt16?
    var segments: UInt16?
    var length: UInt32?
    var isEncapsulated: Bool?
    var checksumState: UInt8?
    var headers: [UInt8] = []

    init(_ event: gso_event) {
        interface = text(event.head.ifname)
        isFromOwner = event.head.direction == NA_DIRECTION_RX.rawValue
        (deviceKind, tunFlags) = (event.device_kind, event.tun_flags)
        (ipVersion, length) = (event.ip_version, event.length)
        if event.has_gso != 0 {
            (type, size, segments) = (event.gso_type, event.gso_size, event.gso_segs)
            isEncapsulated = event.encapsulation != 0
            checksumState = event.ip_summed
        }
        source = GSOWords.address(bytes(event.source), version: ipVersion)
        destination = GSOWords.address(bytes(event.destination), version: ipVersion)
        if ipVersion != 0, event.l4_protocol != GSO_L4_UNKNOWN { l4Protocol = event.l4_protocol }
        if event.has_ports != 0 { (sourcePort, destinationPort) = (event.source_port, event.destination_port) }
        headers = Array(bytes(event.headers).prefix(Int(event.headers_length)))
    }

    /// The words of a key are filled by `report()` in `tun_gso.bpf.c`; IPv6 addresses are folded there.
    init(_ key: na_key, interface: String?) {
        self.interface = interface
        ipVersion = UInt8(truncatingIfNeeded: key.a >> 56)
        deviceKind = UInt8(truncatingIfNeeded: key.a >> 48)
        if gso_rule(UInt32(key.rule)) != GSO_RULE_HEADER_REJECTED { type = UInt32(truncatingIfNeeded: key.a) }
        if ipVersion == 4 {
            source = IPv4Address(bits: UInt32(truncatingIfNeeded: key.b)).description
            destination = IPv4Address(bits: UInt32(truncatingIfNeeded: key.c)).description
        }
    }

    /// `tcpv4|dodgy`; empty for no type.
    var typeNames: String { type.map(GSOWords.typeNames) ?? "" }

    var fields: [Field] {
        let all: [(FieldName, String?)] = [
            (.gsoType, type.map { "0x" + String($0, radix: 16) }),
            (.gsoTypeNames, typeNames.isEmpty ? nil : typeNames),
            (.gsoSize, size.map(String.init)), (.gsoSegments, segments.map(String.init)),
            (.length, length.map(String.init)), (.deviceKind, GSOWords.deviceKind(deviceKind)),
            (.tunFlags, GSOWords.tunFlags(tunFlags)),
            (.l3Source, source), (.l3Destination, destination), (.l4Protocol, l4Protocol.map(GSOWords.l4Protocol)),
            (.l4SourcePort, sourcePort.map(String.init)), (.l4DestinationPort, destinationPort.map(String.init)),
            (.encapsulation, isEncapsulated.map { $0 ? "1" : "0" }),
            (.checksumState, checksumState.flatMap(GSOWords.checksumState)),
            (.headers, headers.isEmpty ? nil : headers.map(hexByte).joined()),
        ]
        return all.compactMap { name, value in value.map { Field(name, $0) } }
    }
}
