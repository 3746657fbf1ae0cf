import AnomalyModel
import CDetectorEvents

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
    var linearLength: UInt32?
    /// The number that broke the rule, and what it should be or not exceed; 0 in both where the rule compares none.
    var found: UInt32 = 0
    var expected: UInt32 = 0
    var isEncapsulated: Bool?
    var checksumState: UInt8?
    var headers: [UInt8] = []

    init(_ event: gso_event) {
        interface = text(event.head.ifname)
        isFromOwner = event.head.direction == NA_DIRECTION_RX.rawValue
        (deviceKind, tunFlags) = (event.device_kind, event.tun_flags)
        (ipVersion, length, linearLength) = (event.ip_version, event.length, event.linear_length)
        (found, expected) = (event.found, event.expected)
        if event.has_gso != 0 {
            (type, size, segments) = (event.gso_type, event.gso_size, event.gso_segs)
            isEncapsulated = event.encapsulation != 0
            checksumState = event.ip_summed
        }
        if event.has_addresses != 0 {
            source = GSOWords.address(bytes(event.source), version: ipVersion)
            destination = GSOWords.address(bytes(event.destination), version: ipVersion)
        }
        if ipVersion != 0, event.l4_protocol != GSO_L4_UNKNOWN { l4Protocol = event.l4_protocol }
        if event.has_ports != 0 { (sourcePort, destinationPort) = (event.source_port, event.destination_port) }
        headers = Array(bytes(event.headers).prefix(Int(event.headers_length)))
    }

    /// The words of a key are filled by `set_key()` in `gso_report.bpf.h`; IPv6 addresses are folded there.
    init(_ key: na_key, interface: String?) {
        self.interface = interface
        ipVersion = UInt8(truncatingIfNeeded: key.a >> 56)
        deviceKind = UInt8(truncatingIfNeeded: key.a >> 48)
        switch gso_rule(UInt32(key.rule)) {
        case GSO_RULE_HEADER_REJECTED, GSO_RULE_TRACE: break
        default: type = UInt32(truncatingIfNeeded: key.a)
        }
        // Neither is 0.0.0.0: it could not be read.
        if ipVersion == 4, key.b | key.c != 0 {
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
