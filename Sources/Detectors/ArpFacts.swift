import AnomalyModel
import CDetectorEvents

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
    var isGateway = false
    /// Of what the rule counts.
    var count: UInt32?
    var tableEntries: UInt32?
    var tableLimit: UInt32?

    init(_ event: arp_event) {
        interface = text(event.head.ifname)
        command = text(event.head.comm)
        isGateway = event.head.is_gateway != 0
        if event.vlan != 0xffff { vlan = event.vlan }
        if event.count != 0 { count = event.count }
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
        if event.length != 0 { length = event.length }
        oldMAC = Self.known(MACAddress(event.old_mac))
        newMAC = Self.known(MACAddress(event.new_mac))
        guard event.has_neighbour != 0 else { return }
        neighbourIP = IPv4Address(networkOrder: event.neighbour_ip)
        (oldState, newState) = (event.old_state, event.new_state)
        // bpftrace does not tell the limit.
        if event.table_entries != 0 || event.table_limit != 0 { tableEntries = event.table_entries }
        if event.table_limit != 0 { tableLimit = event.table_limit }
    }

    /// The words of a key are filled by `set_words()` and by who reports a change, rule by rule.
    init(summary: na_event_head) {
        let key = summary.key
        interface = text(summary.ifname)
        isGateway = summary.is_gateway != 0
        let ip = IPv4Address(bits: UInt32(truncatingIfNeeded: key.c))
        let mac = Self.known(MACAddress(bits: key.b))
        // Also 0 where the device has no Ethernet header.
        let source = Self.known(MACAddress(bits: key.a))
        switch arp_rule(UInt32(key.rule)) {
        case ARP_RULE_BINDING_CHANGE, ARP_RULE_STATIC_OVERWRITE:
            (oldMAC, newMAC, neighbourIP) = (source, mac, ip)
        case ARP_RULE_RESOLUTION_FAILED:
            neighbourIP = ip
        case ARP_RULE_FLIP_FLOP:
            (neighbourIP, senderIP) = (ip, ip)
        case ARP_RULE_DUPLICATE_CLAIM:
            (oldMAC, newMAC, senderMAC, senderIP) = (source, mac, mac, ip)
        case ARP_RULE_LOCAL_SPOOF:
            command = text((key.a, key.b))
            senderIP = ip
        case ARP_RULE_ADDRESS_CONFLICT:
            senderMAC = mac
            if UInt32(key.detail) == ARP_DETAIL_CONFLICT_PROBE.rawValue { targetIP = ip } else { senderIP = ip }
        case ARP_RULE_REQUEST_FLOOD:
            (senderMAC, targetIP) = (mac, ip)
        case ARP_RULE_MALFORMED:
            ethernetSource = source
        case ARP_RULE_BAD_SENDER_MAC:
            (ethernetSource, senderMAC) = (source, MACAddress(bits: key.b))
        case ARP_RULE_SCAN, ARP_RULE_MANY_ADDRESSES:
            senderMAC = mac
        case ARP_RULE_GRATUITOUS_FLOOD:
            senderMAC = mac
            if UInt32(key.detail) == ARP_DETAIL_FLOOD_ONE_ADDRESS.rawValue { senderIP = ip }
        case ARP_RULE_DROPPED, ARP_RULE_ON_NOARP_DEVICE, ARP_RULE_TABLE_OVERFLOW, ARP_RULE_TRACE:
            break
        default:
            (ethernetSource, senderMAC, senderIP) = (source, mac, ip)
        }
    }

    private static func known(_ mac: MACAddress) -> MACAddress? { mac.bits == 0 ? nil : mac }

    /// A neighbour whose MAC changes has sent ARP; one that cannot be resolved was asked for.
    private var changedNeighbour: IPv4Address? { newMAC == nil && oldMAC == nil ? nil : neighbourIP }
    private var missingNeighbour: IPv4Address? { changedNeighbour == nil && senderIP == nil ? neighbourIP : nil }

    var fields: [Field] {
        let all: [(FieldName, String?)] = [
            (.arpOperation, operation.map(ArpWords.operation)),
            (.arpSenderMAC, senderMAC?.description), (.arpSenderIP, (changedNeighbour ?? senderIP)?.description),
            (.arpTargetMAC, targetMAC?.description), (.arpTargetIP, (targetIP ?? missingNeighbour)?.description),
            (.ethernetSource, ethernetSource?.description),
            (.ethernetDestination, ethernetDestination?.description),
            (.vlan, vlan.map(String.init)), (.length, length.map(String.init)),
            (.oldMAC, oldMAC?.description), (.newMAC, newMAC?.description),
            (.oldNeighbourState, oldState.flatMap(ArpWords.neighbourState)),
            (.newNeighbourState, newState.flatMap(ArpWords.neighbourState)),
            (.neighbourEntries, tableEntries.map(String.init)), (.neighbourLimit, tableLimit.map(String.init)),
        ]
        return all.compactMap { name, value in value.map { Field(name, $0) } }
    }
}
