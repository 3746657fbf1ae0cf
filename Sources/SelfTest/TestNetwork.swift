import AnomalyModel
import CLinux
import Glibc

/// A host of its own in a private network namespace: nothing it does reaches another, and it ends with the process.
///
/// What it receives is written to its TAP; what it sends leaves by that TAP, where nobody listens. Addresses and MACs
/// are those reserved for documentation (RFC 5737, RFC 9542).
final class TestNetwork {
    /// All its devices are named so.
    static let devicePattern = "selftest*"
    private static let wireName = "selftest0"
    private static let onwardName = "selftest1"
    private static let silentName = "selftest2"
    private static let mask: UInt32 = 0xffff_ff00
    private static let port: UInt16 = 9  // discard

    /// 192.0.2.`number`, on the wire.
    static func host(_ number: Int) -> IPv4Address { IPv4Address(bits: 0xc000_0200 + UInt32(number)) }
    /// 198.51.100.`number`, behind the host.
    static func beyond(_ number: Int) -> IPv4Address { IPv4Address(bits: 0xc633_6400 + UInt32(number)) }
    /// 203.0.113.9, of no subnet of the host.
    static let foreign = IPv4Address(bits: 0xcb00_7109)
    /// 00:00:5e:00:53:`number`.
    static func station(_ number: Int) -> MACAddress { MACAddress(bits: 0x5e_0053_00 + UInt64(number)) }

    static let ownMAC = station(1)
    static let ownIP = host(1)
    private static let ownBeyond = beyond(1)

    /// Inode of the namespace, as events carry it.
    let inode: UInt32
    /// The host's card, with `ownIP`.
    let wire: TestDevice
    /// Where it forwards packets for 198.51.100.0/24.
    private let onward: TestDevice
    /// A card without ARP, with room for one packet.
    private let silent: TestDevice
    private let datagrams: CInt
    private let packets: CInt

    /// Leaves the process's network namespace for good.
    init() throws(SelfTestFailure) {
        guard na_unshare_network() == 0 else { throw SelfTestFailure("Cannot make a private network namespace") }
        var namespace = stat()
        guard stat("/proc/thread-self/ns/net", &namespace) == 0 else {
            throw SelfTestFailure("Cannot look at the private network namespace")
        }
        inode = UInt32(truncatingIfNeeded: namespace.st_ino)
        Self.forgetHostSettings()
        wire = try TestDevice(Self.wireName, kind: CInt(IFF_TAP))
        onward = try TestDevice(Self.onwardName, kind: CInt(IFF_TUN))
        silent = try TestDevice(Self.silentName, kind: CInt(IFF_TAP))
        datagrams = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        packets = socket(AF_PACKET, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard datagrams >= 0, packets >= 0 else { throw SelfTestFailure("Cannot open a socket") }
        try configure()
    }

    deinit {
        close(datagrams)
        close(packets)
    }

    /// A new namespace takes over some of the host's settings: those that matter here are set to the kernel's defaults.
    private static func forgetHostSettings() {
        for setting in ["rp_filter", "arp_filter", "arp_ignore", "arp_accept", "proxy_arp", "drop_gratuitous_arp"] {
            for scope in ["all", "default"] { set("conf/\(scope)/\(setting)", to: 0) }
        }
    }

    private func configure() throws(SelfTestFailure) {
        try check(na_device_set_mac(datagrams, wire.name, WireBytes(Self.ownMAC).bytes), wire)
        try check(na_device_set_address(datagrams, wire.name, Self.ownIP.bits, Self.mask), wire)
        try check(na_device_set_address(datagrams, onward.name, Self.ownBeyond.bits, Self.mask), onward)
        try check(na_device_set_queue_length(datagrams, silent.name, 1), silent)
        for device in [wire, onward] { try check(na_device_add_flags(datagrams, device.name, Self.up), device) }
        try check(na_device_add_flags(datagrams, silent.name, Self.up | CInt(IFF_NOARP)), silent)
        Self.set("ip_forward", to: 1)
        // One question, and 50 ms to wait for the answer: else a failed resolution takes three seconds.
        Self.set("neigh/\(wire.name)/mcast_solicit", to: 1)
        Self.set("neigh/\(wire.name)/retrans_time_ms", to: 50)
    }

    private static let up = CInt(IFF_UP)

    private func check(_ result: CInt, _ device: TestDevice) throws(SelfTestFailure) {
        guard result == 0 else { throw SelfTestFailure("Cannot configure the device \(device.name)") }
    }

    /// Where /proc/sys is read-only, the setting stays: some cases then take longer.
    private static func set(_ setting: String, to value: Int) {
        let descriptor = open("/proc/sys/net/ipv4/\(setting)", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        let text = Array("\(value)".utf8)
        _ = write(descriptor, text, text.count)
        close(descriptor)
    }

    // MARK: What can be done in it

    /// The host receives ARP.
    func receive(_ frames: ArpFrame...) throws(CaseProblem) {
        for frame in frames { try receive(frame.bytes) }
    }

    /// The host receives a packet with that offload metadata.
    func receive(_ frame: [UInt8], header: VirtioHeader = VirtioHeader()) throws(CaseProblem) {
        guard try wire.write(frame, header: header) else {
            throw .kernelRefuses("this kernel refuses such a packet's header")
        }
    }

    /// The host receives a packet whose header the kernel must refuse.
    func receiveRefused(_ frame: [UInt8], header: VirtioHeader) throws(CaseProblem) {
        guard try !wire.write(frame, header: header) else { throw .failed("this kernel takes an impossible header") }
    }

    /// The device without ARP receives ARP all the same.
    func receiveWithoutARP(_ frame: ArpFrame) throws(CaseProblem) {
        _ = try silent.write(frame.bytes, header: VirtioHeader())
    }

    /// A program of the host sends ARP by a packet socket.
    func send(_ frame: ArpFrame) throws(CaseProblem) { try send(frame, by: wire) }

    /// The same by a device that has no room for it.
    func sendIntoFullQueue(_ frame: ArpFrame) throws(CaseProblem) {
        // One for the device's queue, one for that before it, and one too many, whatever the kernel calls one.
        for _ in 0..<8 { try send(frame, by: silent) }
    }

    private func send(_ frame: ArpFrame, by device: TestDevice) throws(CaseProblem) {
        let bytes = frame.bytes
        // ENOBUFS: dropped, as it may have to be.
        if na_arp_send(packets, device.name, bytes, bytes.count) != 0, errno != ENOBUFS {
            throw .failed("cannot send ARP by \(device.name): \(errorText(errno))")
        }
    }

    /// The host has something to say to a neighbour.
    func speak(to address: IPv4Address) throws(CaseProblem) {
        guard na_datagram_send(datagrams, address.bits, Self.port) == 0 else {
            throw .failed("cannot send to \(address): \(errorText(errno))")
        }
    }

    /// The administrator of the host enters a permanent neighbour.
    func enterNeighbour(_ address: IPv4Address, at mac: MACAddress) throws(CaseProblem) {
        guard na_neighbour_set(datagrams, wire.name, address.bits, WireBytes(mac).bytes) == 0 else {
            throw .failed("cannot enter the neighbour \(address): \(errorText(errno))")
        }
    }

    /// The owner of the device that packets are forwarded to reads them, with room for so many bytes each.
    func readForwarded(room: Int) throws(CaseProblem) {
        guard onward.readAll(room: room) else { throw .failed("nothing was forwarded to \(onward.name)") }
    }
}

extension WireBytes {
    fileprivate init(_ mac: MACAddress) {
        self.init()
        add(mac)
    }
}
