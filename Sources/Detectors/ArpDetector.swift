public import AnomalyModel
public import CDetectorEvents

/// Abnormal ARP, RFC 826 and RFC 5227, and the neighbour table's surprises.
public enum ArpDetector: Detector {
    /// As in journal and configuration.
    public static let name = DetectorName("arp")
    /// `bpf/arp.bpf.c`, compiled.
    public static let object = ProbeObject.arp
    /// In the order of the rules' numbers.
    public static let rules = ArpRules.all
    /// In the order of the probes' numbers.
    public static let probes = ArpRules.probes

    /// The common head.
    public static func head(of event: arp_event) -> na_event_head { event.head }

    /// From all that the event tells.
    public static func finding(in event: arp_event, rule: Rule) -> Finding {
        finding(ArpFacts(event), key: event.head.key, rule: rule)
    }

    /// From what the key remembers.
    public static func finding(in key: na_key, interface: String?, rule: Rule) -> Finding {
        finding(ArpFacts(key, interface: interface), key: key, rule: rule)
    }

    private static func finding(_ facts: ArpFacts, key: na_key, rule: Rule) -> Finding {
        Finding(
            message: ArpWords.sentence(facts, detail: key.detail, rule: key.rule),
            priority: ArpWords.priority(of: key.detail, rule: rule),
            fields: (ArpWords.subcase(key.detail).map { [Field(.detail, $0)] } ?? []) + facts.fields)
    }
}

/// What is known of one ARP anomaly: all of it from an event, the key's part from a summary.
struct ArpFacts {
    var interface: String?
    var operation: UInt16?
    var hardwareType: UInt16?
    var protocolType: UInt16?
    var hardwareLength: UInt8?
    var protocolLength: UInt8?
    var length: UInt32?
    var ethernetSource: MACAddress?
    var ethernetDestination: MACAddress?
    var senderMAC: MACAddress?
    var senderIP: IPv4Address?
    var targetMAC: MACAddress?
    var targetIP: IPv4Address?
    var neighbourIP: IPv4Address?
    var oldMAC: MACAddress?
    var newMAC: MACAddress?
    var oldState: UInt8?
    var newState: UInt8?
    var vlan: UInt16?
    var command: String?

    init(_ event: arp_event) {
        interface = text(event.head.ifname)
        command = text(event.head.comm)
        if event.vlan != 0xffff { vlan = event.vlan }
        if event.has_ethernet != 0 {
            ethernetSource = MACAddress(event.eth_source)
            ethernetDestination = MACAddress(event.eth_destination)
        }
        if event.has_header != 0 {
            operation = event.operation
            hardwareType = event.hardware_type
            protocolType = event.protocol_type
            hardwareLength = event.hardware_length
            protocolLength = event.protocol_length
        }
        if event.has_addresses != 0 {
            senderMAC = MACAddress(event.sender_mac)
            senderIP = IPv4Address(networkOrder: event.sender_ip)
            targetMAC = MACAddress(event.target_mac)
            targetIP = IPv4Address(networkOrder: event.target_ip)
        }
        switch arp_rule(event.head.key.rule) {
        case ARP_RULE_BINDING_CHANGE:
            neighbourIP = IPv4Address(networkOrder: event.neighbour_ip)
            (oldMAC, newMAC) = (MACAddress(event.old_mac), MACAddress(event.new_mac))
            (oldState, newState) = (event.old_state, event.new_state)
        case ARP_RULE_RESOLUTION_FAILED:
            neighbourIP = IPv4Address(networkOrder: event.neighbour_ip)
            newState = event.new_state
        default:
            length = event.length
        }
    }

    /// The words of a key are filled by `arp.bpf.c`, rule by rule.
    init(_ key: na_key, interface: String?) {
        self.interface = interface
        let ip = IPv4Address(bits: UInt32(truncatingIfNeeded: key.c))
        // Also 0 where the device has no Ethernet header.
        let source = key.a == 0 ? nil : MACAddress(bits: key.a)
        switch arp_rule(key.rule) {
        case ARP_RULE_BINDING_CHANGE:
            (oldMAC, newMAC, neighbourIP) = (MACAddress(bits: key.a), MACAddress(bits: key.b), ip)
        case ARP_RULE_RESOLUTION_FAILED:
            neighbourIP = ip
        case ARP_RULE_LOCAL_SPOOF:
            command = text((key.a, key.b))
            senderIP = ip
        case ARP_RULE_ADDRESS_CONFLICT:
            senderMAC = MACAddress(bits: key.b)
            if key.detail == ARP_DETAIL_CONFLICT_PROBE.rawValue { targetIP = ip } else { senderIP = ip }
        case ARP_RULE_MALFORMED:
            ethernetSource = source
        case ARP_RULE_BAD_SENDER_MAC:
            (ethernetSource, senderMAC) = (source, MACAddress(bits: key.b))
        default:
            (ethernetSource, senderMAC, senderIP) = (source, MACAddress(bits: key.b), ip)
        }
    }

    /// A neighbour whose MAC changes has sent ARP; one that cannot be resolved was asked for.
    private var changedNeighbour: IPv4Address? { newMAC == nil ? nil : neighbourIP }
    private var missingNeighbour: IPv4Address? { newMAC == nil ? neighbourIP : nil }

    var fields: [Field] {
        let all: [(FieldName, String?)] = [
            (.arpOperation, operation.map(ArpWords.operation)),
            (.arpSenderMAC, senderMAC?.description), (.arpSenderIP, (senderIP ?? changedNeighbour)?.description),
            (.arpTargetMAC, targetMAC?.description), (.arpTargetIP, (targetIP ?? missingNeighbour)?.description),
            (.ethernetSource, ethernetSource?.description),
            (.ethernetDestination, ethernetDestination?.description),
            (.vlan, vlan.map(String.init)), (.length, length.map(String.init)),
            (.oldMAC, oldMAC?.description), (.newMAC, newMAC?.description),
            (.oldNeighbourState, oldState.flatMap(ArpWords.neighbourState)),
            (.newNeighbourState, newState.flatMap(ArpWords.neighbourState)),
        ]
        return all.compactMap { name, value in value.map { Field(name, $0) } }
    }
}
