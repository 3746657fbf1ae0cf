import CLibbpf
import Glibc

/// The running kernel's names for drop reasons: their numbers change from version to version, so its BTF is asked.
///
/// Read when the first dropped packet is reported, because it takes some 20 ms and memory that most daemons never need.
public final class DropReasons {
    private static let prefix = "SKB_DROP_REASON_"
    private static let enumName = "skb_drop_reason"

    private lazy var names = Self.read()

    /// Reads nothing yet.
    public init() {}

    /// `NOT_SPECIFIED` and the like; nil where this kernel has no reasons or not this one.
    public func name(of reason: UInt32) -> String? { names[reason] }

    /// The running kernel's number of a reason, by the same name; nil where it has none such.
    public func number(of name: String) -> UInt32? { names.first { $0.value == name }?.key }

    private static func read() -> [UInt32: String] {
        guard let types = btf__load_vmlinux_btf() else { return [:] }
        defer {
            btf__free(types)
            // The types of a whole kernel were on the heap.
            malloc_trim(0)
        }
        // 6 is BTF_KIND_ENUM, which the C header has twice: as a macro and in an enum.
        let id = btf__find_by_name_kind(types, enumName, 6)
        guard id > 0, let type = btf__type_by_id(types, UInt32(id)) else { return [:] }
        let count = Int(type.pointee.info & 0xffff)
        // The values follow the type.
        let values = UnsafeRawPointer(type + 1).assumingMemoryBound(to: btf_enum.self)
        var names: [UInt32: String] = [:]
        for value in UnsafeBufferPointer(start: values, count: count) {
            guard let text = btf__name_by_offset(types, value.name_off) else { continue }
            let name = String(cString: text)
            names[UInt32(bitPattern: value.val)] = name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name
        }
        return names
    }
}
