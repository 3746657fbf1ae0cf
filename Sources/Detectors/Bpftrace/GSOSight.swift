import AnomalyModel
import CDetectorEvents

/// Reads the lines of `tun-abnormal-gso-type-tracepoints.bt`.
enum GSOSight {
    /// The words of a packet that the script prints: fewer of one that was dropped.
    private static let passingWords = Int(GSO_SIGHT_BYTES) / 8
    private static let droppedWords = 11
    private static let tracepoints = TracepointNames(TunGSORules.probes)
    /// Functions that drop packets, by how their names begin: compilers add suffixes.
    private static let dropSites: [([UInt8], gso_drop_site)] = [
        ("validate_xmit_skb", GSO_DROP_SEGMENTATION), ("tun_get_user", GSO_DROP_TUN_WRITE),
        ("tun_sendmsg", GSO_DROP_TUN_WRITE), ("tun_xdp_one", GSO_DROP_TUN_WRITE), ("tap_get_user", GSO_DROP_TAP_WRITE),
        ("tun_do_read", GSO_DROP_READ), ("tap_do_read", GSO_DROP_READ),
    ].map { (Array($0.utf8), $1) }

    /// Reads a line; nil if it is none of the script's.
    static func read(_ line: inout SightLine) -> gso_sight? {
        guard let probe = line.probe(of: tracepoints).map({ gso_probe($0) }) else { return nil }
        var sight = gso_sight()
        sight.at.probe = probe.rawValue
        takePacket(&sight, &line)
        let states = line.number()
        sight.encapsulation = UInt8(truncatingIfNeeded: states & 1)
        sight.ip_summed = UInt8(truncatingIfNeeded: states >> 8 & 3)
        sight.device_kind = UInt8(truncatingIfNeeded: states >> 16)
        if probe == GSO_PROBE_KFREE_SKB {
            takeDrop(&sight, isRefused: states >> 32 & 1 == 1, &line)
        } else {
            takePassing(&sight, family: UInt8(truncatingIfNeeded: states >> 24), &line)
        }
        fill(&sight.at.comm, with: line.command)
        return line.isSound ? sight : nil
    }

    private static func takePacket(_ sight: inout gso_sight, _ line: inout SightLine) {
        sight.at.boottime_ns = line.number()
        sight.at.netns = UInt32(truncatingIfNeeded: line.number())
        sight.at.ifindex = UInt32(truncatingIfNeeded: line.number())
        (sight.at.pid, sight.at.cpu) = line.halves()
        (sight.mtu, sight.tun_flags) = line.halves()
        sight.features = line.number()
        let (type, numbers) = line.halves()
        sight.gso_type = type
        sight.gso_size = UInt16(truncatingIfNeeded: numbers)
        sight.gso_segs = UInt16(truncatingIfNeeded: numbers >> 16)
        (sight.length, sight.data_length) = line.halves()
        (sight.mac_header, sight.network_header, sight.transport_header, sight.inner_network_header) = line.quarters()
        let (start, offset, protocolNumber, deviceType) = line.quarters()
        (sight.checksum_start, sight.checksum_offset) = (start, offset)
        (sight.protocol, sight.device_type) = (protocolNumber.byteSwapped, deviceType)
        let (end, offsets) = line.halves()
        sight.linear_end = end
        sight.bytes_at = offsets & 0xffff
        sight.data = UInt16(truncatingIfNeeded: offsets >> 16)
    }

    private static func takePassing(_ sight: inout gso_sight, family: UInt8, _ line: inout SightLine) {
        sight.way = UInt8(GSO_SIGHT_PASSING.rawValue)
        // A macvtap or ipvtap sends for its owner, whose socket of no family the packet still carries.
        let isTap = UInt32(sight.device_kind) != GSO_DEVICE_TUN.rawValue
        sight.from_owner = isTap && family == 0 ? 1 : 0
        fill(&sight.bytes, withWords: passingWords, from: &line)
        sight.bytes_count = UInt8(8 * passingWords)
        fill(&sight.at.ifname, with: line.names().0)
    }

    private static func takeDrop(_ sight: inout gso_sight, isRefused: Bool, _ line: inout SightLine) {
        sight.way = UInt8((isRefused ? GSO_SIGHT_REFUSED : GSO_SIGHT_DROPPED).rawValue)
        sight.location = line.number()
        sight.drop_reason = UInt32(truncatingIfNeeded: line.number())
        fill(&sight.bytes, withWords: droppedWords, from: &line)
        sight.bytes_count = UInt8(8 * droppedWords)
        let (name, function) = line.names()
        fill(&sight.at.ifname, with: name)
        sight.drop_site = UInt8(dropSite(function).rawValue)
    }

    private static func dropSite(_ function: ArraySlice<UInt8>) -> gso_drop_site {
        dropSites.first { function.starts(with: $0.0) }?.1 ?? GSO_DROP_OTHER
    }
}
