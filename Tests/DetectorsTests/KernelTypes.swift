import Glibc
import Testing

/// The enumerators of the running kernel's anonymous enums, out of its BTF (Documentation/bpf/btf.rst).
struct KernelTypes {
    static let path = "/sys/kernel/btf/vmlinux"

    private let bytes: [UInt8]
    private let typesStart: Int
    private let typesEnd: Int
    private let stringsStart: Int

    init() throws {
        let descriptor = open(Self.path, O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 20)
        while case let count = read(descriptor, &block, block.count), count > 0 { bytes += block[..<count] }
        self.bytes = bytes
        try #require(bytes.count > 24 && bytes[0] == 0x9f && bytes[1] == 0xeb, "not little-endian BTF")
        func header(_ offset: Int) -> Int { Int(Self.word(bytes, offset)) }
        typesStart = header(4) + header(8)
        typesEnd = typesStart + header(12)
        stringsStart = header(4) + header(16)
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    /// Bytes that follow a type's common part, by its kind.
    private static func extra(kind: UInt32, count: Int) -> Int {
        switch kind {
        case 1, 14, 17: 4  // INT, VAR, DECL_TAG
        case 3: 12  // ARRAY
        case 4, 5, 15, 19: 12 * count  // STRUCT, UNION, DATASEC, ENUM64
        case 6, 13: 8 * count  // ENUM, FUNC_PROTO
        default: 0
        }
    }

    private func text(_ offset: UInt32) -> String {
        String(decoding: bytes[(stringsStart + Int(offset))...].prefix { $0 != 0 }, as: UTF8.self)
    }

    /// Values of enumerators of anonymous 32-bit enums, by name.
    func enumerators(where isWanted: (String) -> Bool) -> [String: UInt32] {
        var found: [String: UInt32] = [:]
        var at = typesStart
        while at < typesEnd {
            let (name, info) = (Self.word(bytes, at), Self.word(bytes, at + 4))
            let (kind, count) = (info >> 24 & 0x1f, Int(info & 0xffff))
            at += 12
            if kind == 6, name == 0 {
                for member in 0..<count {
                    let name = text(Self.word(bytes, at + 8 * member))
                    if isWanted(name) { found[name] = Self.word(bytes, at + 8 * member + 4) }
                }
            }
            at += Self.extra(kind: kind, count: count)
        }
        return found
    }
}
