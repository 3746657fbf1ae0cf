import AnomalyModel
public import CDetectorEvents

/// What a line of `trace-abnormal-arp-tracepoints.bt` tells.
public enum ArpSight: Sendable {
    /// A frame that was received, sent or dropped.
    case frame(arp_sight)
    /// Something that happened in the neighbour table.
    case change(arp_change_sight)

    private static let tracepoints = TracepointNames(ArpRules.probes)

    /// Reads a line; nil if it is none of the script's.
    init?(_ line: inout SightLine) {
        guard let probe = line.probe(of: Self.tracepoints).map({ arp_probe($0) }) else { return nil }
        switch probe {
        case ARP_PROBE_NETIF_RECEIVE_SKB: self = .frame(Self.frame(ARP_SIGHT_RECEIVED, probe, &line))
        case ARP_PROBE_NET_DEV_QUEUE: self = .frame(Self.frame(ARP_SIGHT_SENT, probe, &line))
        case ARP_PROBE_KFREE_SKB: self = .frame(Self.drop(probe, &line))
        case ARP_PROBE_NEIGH_UPDATE: self = .change(Self.update(probe, &line))
        case ARP_PROBE_NEIGH_TIMER_HANDLER: self = .change(Self.change(ARP_CHANGE_FAILED, probe, &line))
        default: self = .change(Self.change(ARP_CHANGE_NO_ROOM, probe, &line))
        }
        guard line.isSound else { return nil }
    }

    private static func frame(_ way: arp_sight_way, _ probe: arp_probe, _ line: inout SightLine) -> arp_sight {
        var sight = arp_sight()
        sight.way = UInt8(way.rawValue)
        takePlace(&sight, probe, &line)
        let (places, family) = line.halves()
        sight.places = places
        sight.is_process = family == packetFamily ? 1 : 0
        sight.device_mac = macBits(line.number())
        let uppers = line.number()
        sight.uppers = (
            UInt32(truncatingIfNeeded: uppers & 0xfffff), UInt32(truncatingIfNeeded: uppers >> 20 & 0xfffff),
            UInt32(truncatingIfNeeded: uppers >> 40 & 0xfffff)
        )
        sight.domain = UInt32(truncatingIfNeeded: line.number())
        takePacket(&sight, &line)
        takeNames(&sight.at, &line)
        return sight
    }

    private static func drop(_ probe: arp_probe, _ line: inout SightLine) -> arp_sight {
        var sight = arp_sight()
        sight.way = UInt8(ARP_SIGHT_DROPPED.rawValue)
        takePlace(&sight, probe, &line)
        sight.location = line.number()
        sight.drop_reason = UInt32(truncatingIfNeeded: line.number())
        sight.received_on = UInt32(truncatingIfNeeded: line.number())
        takePacket(&sight, &line)
        takeNames(&sight.at, &line)
        return sight
    }

    private static func takePlace(_ sight: inout arp_sight, _ probe: arp_probe, _ line: inout SightLine) {
        sight.at.probe = probe.rawValue
        sight.at.boottime_ns = line.number()
        sight.at.netns = UInt32(truncatingIfNeeded: line.number())
        sight.at.ifindex = UInt32(truncatingIfNeeded: line.number())
        (sight.at.pid, sight.at.cpu) = line.halves()
        let (flags, device) = line.halves()
        sight.device_flags = flags
        sight.device_type = UInt16(truncatingIfNeeded: device)
        sight.device_address_length = UInt8(truncatingIfNeeded: device >> 16)
    }

    private static func takePacket(_ sight: inout arp_sight, _ line: inout SightLine) {
        let (protocolNumber, vlan, vlanProtocol, _) = line.quarters()
        sight.protocol = protocolNumber.byteSwapped
        sight.vlan_tci = vlan
        sight.has_vlan = vlanProtocol == 0 ? 0 : 1
        (sight.data_length, sight.linear_end) = line.halves()
        (sight.mac_header, sight.data, _, _) = line.quarters()
        sight.buffer = line.number()
        fill(&sight.bytes, withWords: Int(ARP_SIGHT_BYTES) / 8, from: &line)
    }

    private static func update(_ probe: arp_probe, _ line: inout SightLine) -> arp_change_sight {
        var sight = arp_change_sight()
        takeMoment(&sight, ARP_CHANGE_UPDATE, probe, &line)
        sight.old_mac = macBits(line.number())
        sight.new_mac = macBits(line.number())
        let (flags, states) = line.halves()
        sight.flags = flags
        sight.old_state = UInt8(truncatingIfNeeded: states)
        sight.new_state = UInt8(truncatingIfNeeded: states >> 8)
        takeNames(&sight.at, &line)
        return sight
    }

    private static func change(
        _ kind: arp_change_kind, _ probe: arp_probe, _ line: inout SightLine
    ) -> arp_change_sight {
        var sight = arp_change_sight()
        takeMoment(&sight, kind, probe, &line)
        if kind == ARP_CHANGE_NO_ROOM { sight.entries = UInt32(truncatingIfNeeded: line.number()) }
        takeNames(&sight.at, &line)
        return sight
    }

    private static func takeMoment(
        _ sight: inout arp_change_sight, _ kind: arp_change_kind, _ probe: arp_probe, _ line: inout SightLine
    ) {
        sight.kind = UInt8(kind.rawValue)
        sight.at.probe = probe.rawValue
        sight.at.boottime_ns = line.number()
        (sight.at.pid, sight.at.cpu) = line.halves()
        sight.ip = UInt32(truncatingIfNeeded: line.number()).byteSwapped
    }

    private static func takeNames(_ sight: inout na_sight, _ line: inout SightLine) {
        let (name, master) = line.names()
        fill(&sight.ifname, with: name)
        // The script says the device itself where it has no master.
        if master != name { fill(&sight.master, with: master) }
        fill(&sight.comm, with: line.command)
    }

    /// AF_PACKET.
    private static let packetFamily: UInt32 = 17
}
