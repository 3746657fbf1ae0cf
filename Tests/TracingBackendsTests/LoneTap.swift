import Glibc
import Testing

/// Of linux/sched.h; glibc declares it, `unshare` and `setns` for _GNU_SOURCE only, which Swift's import does not set.
private let newNetwork: CInt = 0x4000_0000

private func enter(_ function: String, _ arguments: CInt...) throws {
    typealias Entry = @convention(c) (CInt, CInt) -> CInt
    let symbol = try #require(dlsym(nil, function))
    let result = unsafeBitCast(symbol, to: Entry.self)(arguments[0], arguments.count > 1 ? arguments[1] : 0)
    try #require(result == 0, "\(function): \(errno)")
}

/// A TAP in a network namespace of its own; both go with their owner.
///
/// What is written there is received, by this kernel alone.
final class LoneTap {
    let name: String
    private let descriptor: CInt

    /// The calling thread visits the new namespace, and is back when this returns.
    init(name: String) throws {
        self.name = name
        let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        try #require(home >= 0)
        defer { close(home) }
        try enter("unshare", newNetwork)
        descriptor = open("/dev/net/tun", O_RDWR | O_CLOEXEC)
        let isUp = descriptor >= 0 && Self.bringUp(descriptor, name)
        try enter("setns", home, newNetwork)
        try #require(isUp, "no TAP")
    }

    deinit { close(descriptor) }

    /// `struct ifreq`: a name, then the flags.
    private static func bringUp(_ descriptor: CInt, _ name: String) -> Bool {
        let (tapWithoutInfo, up, setTap, setFlags): (UInt16, UInt16, UInt, UInt) = (0x1002, 0x1, 0x4004_54ca, 0x8914)
        var request = [UInt8](repeating: 0, count: 40)
        func set(_ flags: UInt16) { (request[16], request[17]) = (UInt8(flags & 0xff), UInt8(flags >> 8)) }
        request.replaceSubrange(0..<name.utf8.count, with: name.utf8)
        set(tapWithoutInfo)
        guard ioctl(descriptor, setTap, &request) == 0 else { return false }
        let anySocket = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(anySocket) }
        set(up)
        return ioctl(anySocket, setFlags, &request) == 0
    }

    /// The kernel receives a frame, and is done with it when this returns.
    func receive(_ frame: [UInt8]) { #expect(write(descriptor, frame, frame.count) == frame.count) }
}

/// An ARP request whose sender has the impossible address 224.0.0.`number`.
func multicastSenderFrame(from mac: [UInt8], number: UInt8) -> [UInt8] {
    [UInt8](repeating: 0xff, count: 6) + mac + [0x08, 0x06]
        + [0, 1, 8, 0, 6, 4, 0, 1] + mac + [224, 0, 0, number] + [UInt8](repeating: 0, count: 6) + [192, 0, 2, 9]
}
