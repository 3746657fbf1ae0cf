import CLinux
import Glibc

/// A TUN or TAP of the private namespace, from its owner's side; it goes with its descriptor.
final class TestDevice {
    /// Offloads the owner takes; without UDP's a kernel before 6.2 takes the rest.
    private static let offloads = UInt32(TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_UFO)

    let name: String
    private let descriptor: CInt

    /// Makes it, down and without addresses.
    ///
    /// - Parameter kind: `IFF_TUN` or `IFF_TAP`.
    init(_ name: String, kind: CInt) throws(SelfTestFailure) {
        self.name = name
        descriptor = na_tun_open(name, kind | CInt(IFF_NO_PI) | CInt(IFF_VNET_HDR))
        guard descriptor >= 0 else { throw SelfTestFailure("Cannot make the device \(name) with /dev/net/tun") }
        guard na_tun_set_offloads(descriptor, Self.offloads) == 0 else {
            throw SelfTestFailure("Cannot switch on the offloads of \(name)")
        }
    }

    deinit { close(descriptor) }

    /// Hands a packet to the kernel, which takes it as received; false when it refuses the header.
    func write(_ packet: [UInt8], header: VirtioHeader) throws(CaseProblem) -> Bool {
        let bytes = header.bytes + packet
        if Glibc.write(descriptor, bytes, bytes.count) == bytes.count { return true }
        if errno == EINVAL { return false }
        throw .failed("cannot write to \(name): \(errorText(errno))")
    }

    /// Reads as long as there is something, each time with room for so few bytes; true when a read was refused.
    func readAll(room: Int) -> Bool {
        var wasRefused = false
        var buffer = [UInt8](repeating: 0, count: room)
        while true {
            if Glibc.read(descriptor, &buffer, room) >= 0 { continue }
            guard errno == EINVAL else { return wasRefused }
            wasRefused = true
        }
    }
}
