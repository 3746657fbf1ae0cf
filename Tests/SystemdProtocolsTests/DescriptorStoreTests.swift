import Glibc
import Testing

@testable import SystemdProtocols

/// systemd's end of the store: a real datagram socket that takes descriptors.
private final class Manager {
    let path: String
    private let descriptor: Int32

    init(in directory: TemporaryDirectory) throws {
        path = directory.path + "/socket"
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
    }

    deinit { close(descriptor) }

    /// The next message, and what came with it, which is the caller's to close; nil if none waits.
    func receive() -> (text: String, descriptors: [Int32])? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        var rights = [UInt8](repeating: 0, count: 1024)
        var message = msghdr()
        let count = bytes.withUnsafeMutableBytes { bytes in
            rights.withUnsafeMutableBytes { rights in
                var part = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                return withUnsafeMutablePointer(to: &part) { part in
                    (message.msg_iov, message.msg_iovlen) = (part, 1)
                    (message.msg_control, message.msg_controllen) = (rights.baseAddress, rights.count)
                    return recvmsg(descriptor, &message, Int32(MSG_CMSG_CLOEXEC))
                }
            }
        }
        guard count >= 0 else { return nil }
        // One header of 16 bytes, which begins with the length of all.
        let length = rights.withUnsafeBytes { message.msg_controllen < 16 ? 16 : $0.load(as: Int.self) }
        let descriptors = rights.withUnsafeBytes { all in
            stride(from: 16, to: length, by: 4).map { all.load(fromByteOffset: $0, as: Int32.self) }
        }
        return (String(decoding: bytes[..<count], as: UTF8.self), descriptors)
    }
}

/// Which file a descriptor leads to.
private func file(_ descriptor: Int32) -> ino_t {
    var status = stat()
    fstat(descriptor, &status)
    return status.st_ino
}

/// One at a time: some set the environment of the test process.
@Suite(.serialized) struct DescriptorStoreTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    // MARK: To systemd

    @Test func `what is kept goes under its name, in one message, and stays when it hangs up`() throws {
        let manager = try Manager(in: directory)
        let store = try #require(DescriptorStore(path: manager.path))
        let memories = try (0..<3).map { _ in try StateMemory() }
        #expect(store.keep(memories.map(\.descriptor), as: "arp-maps-7"))
        let (text, descriptors) = try #require(manager.receive())
        defer { descriptors.forEach { close($0) } }
        #expect(text.split(separator: "\n") == ["FDSTORE=1", "FDNAME=arp-maps-7", "FDPOLL=0"])
        #expect(descriptors.map(file) == memories.map { file($0.descriptor) })
        #expect(manager.receive() == nil)
    }

    @Test func `what is let go is named, and nothing comes with it`() throws {
        let manager = try Manager(in: directory)
        let store = try #require(DescriptorStore(path: manager.path))
        store.discard("state-1")
        let (text, descriptors) = try #require(manager.receive())
        #expect(text.split(separator: "\n") == ["FDSTOREREMOVE=1", "FDNAME=state-1"] && descriptors.isEmpty)
    }

    @Test func `as many as one message carries are kept, more are not`() throws {
        let manager = try Manager(in: directory)
        let store = try #require(DescriptorStore(path: manager.path))
        let memory = try StateMemory()
        #expect(store.keep(Array(repeating: memory.descriptor, count: 64), as: "arp-hooks-1"))
        let descriptors = try #require(manager.receive()).descriptors
        descriptors.forEach { close($0) }
        #expect(descriptors.count == 64)
        #expect(!store.keep(Array(repeating: memory.descriptor, count: 65), as: "arp-hooks-1"))
        #expect(manager.receive() == nil)
    }

    @Test func `a manager that does not read for a second has not taken it`() throws {
        let manager = try Manager(in: directory)
        let store = try #require(DescriptorStore(path: manager.path))
        let memory = try StateMemory()
        var taken = 0
        while taken < 5000, store.keep([memory.descriptor], as: "state-1") { taken += 1 }
        #expect(taken > 0 && taken < 5000)
        while let (_, descriptors) = manager.receive() { descriptors.forEach { close($0) } }
        #expect(store.keep([memory.descriptor], as: "state-1"))
    }

    @Test func `a descriptor that is none is not taken`() throws {
        let manager = try Manager(in: directory)
        let store = try #require(DescriptorStore(path: manager.path))
        #expect(!store.keep([-1], as: "state-1"))
        #expect(manager.receive() == nil)
    }

    @Test(arguments: ["", "relative", "vsock:2:1", "/nowhere/at/all", "/" + String(repeating: "p", count: 200)])
    func `where nobody listens there is no store`(path: String) {
        #expect(DescriptorStore(path: path) == nil)
    }

    // MARK: From systemd

    private func inherited(pid: String?, count: String?, names: String?) -> [String: [Int32]] {
        let variables = ["LISTEN_PID": pid, "LISTEN_FDS": count, "LISTEN_FDNAMES": names]
        for (name, value) in variables { if let value { setenv(name, value, 1) } else { unsetenv(name) } }
        defer { for name in variables.keys { unsetenv(name) } }
        return DescriptorStore.inherited()
    }

    @Test(arguments: [
        (nil, "1", "state-1"), ("", "1", "state-1"), ("1", "1", "state-1"), ("x", "1", "state-1"),
        ("-1", "1", "state-1"), ("99999999999999999999", "1", "state-1"),
    ])
    func `what is meant for another process is not taken`(pid: String?, count: String, names: String) {
        #expect(inherited(pid: pid, count: count, names: names).isEmpty)
    }

    @Test(arguments: [nil, "", "0", "-1", "x", "1x", "99999999999999999999", "2147483647"])
    func `a number of descriptors that cannot be is none`(count: String?) {
        #expect(inherited(pid: String(getpid()), count: count, names: "state-1").isEmpty)
    }

    @Test func `descriptors of one name come together, in systemd's order`() {
        #expect(
            DescriptorStore.byName(["arp-maps-2", "state-1", "arp-maps-2"]) == ["arp-maps-2": [3, 5], "state-1": [4]])
        #expect(DescriptorStore.byName([]).isEmpty)
    }
}
