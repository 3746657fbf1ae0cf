import CLibbpf
import Glibc

/// Names kernel addresses without /proc/kallsyms, by asking the kernel through a small BPF program.
///
/// Works with CAP_BPF and CAP_PERFMON alone, needs no symbol table in memory, and knows modules loaded a moment ago.
/// Linux 5.14 or newer; without it addresses stay numbers.
public final class FrameNamer {
    /// As `FRAMES_PER_RUN` and `FRAMES_TEXT` in `bpf/frames.bpf.c`.
    private static let perRun = 8
    private static let textBytes = 1024

    private let object: LoadedObject
    private let map: CInt

    /// Loads the program; nil when this kernel does not take it.
    public init?() {
        guard let object = try? LoadedObject(.frames) else { return nil }
        map = object.mapDescriptor("frames")
        self.object = object
    }

    /// One name per address: `arp_process+0x40/0x9d0`, or the address in hex where the kernel gave none.
    public func names(of addresses: [UInt64]) -> [String] {
        var names: [String] = []
        for start in stride(from: 0, to: addresses.count, by: Self.perRun) {
            let part = Array(addresses[start..<min(start + Self.perRun, addresses.count)])
            names += run(part) ?? part.map(Self.plain)
        }
        return names
    }

    /// An address without a name.
    public static func plain(_ address: UInt64) -> String { "0x" + String(address, radix: 16) }

    private func run(_ addresses: [UInt64]) -> [String]? {
        var value = [UInt8](repeating: 0, count: Self.perRun * 8 + Self.textBytes)
        var slot: UInt32 = 0
        value.withUnsafeMutableBytes { bytes in
            for (index, address) in addresses.enumerated() {
                bytes.storeBytes(of: address, toByteOffset: index * 8, as: UInt64.self)
            }
        }
        guard bpf_map_update_elem(map, &slot, value, UInt64(BPF_ANY)) == 0 else { return nil }
        var context: UInt64 = 0
        guard (try? object.run("name_frames", &context)) != nil,
            bpf_map_lookup_elem(map, &slot, &value) == 0
        else { return nil }
        let text = value.dropFirst(Self.perRun * 8).prefix { $0 != 0 }
        let lines = text.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        // Cut text (longer than the kernel's buffer) would shift names: then none of this run is used.
        return lines.count == Self.perRun ? Array(lines.prefix(addresses.count)) : nil
    }
}
