import AnomalyModel
import CLibbpf
import Glibc

/// Offsets of structure members whose types only a module's BTF has.
///
/// libbpf finds such types too, but iterates over all BTF objects for it, which takes CAP_SYS_ADMIN. The module's BTF is
/// also a file that everybody may read.
enum ModuleTypes {
    private static let folder = "/sys/kernel/btf/"
    /// BTF_KIND_STRUCT, which the C header has twice: as a macro and in an enum.
    private static let structureKind: UInt32 = 4

    /// The members' offsets in bytes; nil where the module is built in, not loaded, or has no such member.
    static func offsets(of members: [ModuleMember]) -> [UInt32?] {
        let present = Set(members.map(\.module)).filter { access(folder + $0, R_OK) == 0 }
        guard !present.isEmpty, let kernel = btf__load_vmlinux_btf() else { return members.map { _ in nil } }
        defer {
            btf__free(kernel)
            // The types of a whole kernel were on the heap.
            malloc_trim(0)
        }
        return offsets(of: members, in: present, kernel)
    }

    /// The same also where the module is built in.
    static func offsetsAnywhere(of members: [ModuleMember]) -> [UInt32?] {
        guard let kernel = btf__load_vmlinux_btf() else { return members.map { _ in nil } }
        defer { btf__free(kernel) }
        let present = Set(members.map(\.module)).filter { access(folder + $0, R_OK) == 0 }
        let inModules = offsets(of: members, in: present, kernel)
        return zip(members, inModules).map { member, found in found ?? offset(of: member, in: kernel) }
    }

    /// Where a device's private part begins (netdev_priv()): at a member since 6.13, before that behind the structure.
    static func privatePart() -> UInt32? {
        guard let kernel = btf__load_vmlinux_btf() else { return nil }
        defer { btf__free(kernel) }
        let member = ModuleMember(module: "", structure: "net_device", member: "priv")
        if let offset = offset(of: member, in: kernel) { return offset }
        let id = btf__find_by_name_kind(kernel, "net_device", structureKind)
        guard id > 0 else { return nil }
        let size = btf__resolve_size(kernel, UInt32(id))
        // NETDEV_ALIGN
        return size > 0 ? (UInt32(size) + 31) / 32 * 32 : nil
    }

    private static func offsets(
        of members: [ModuleMember], in present: Set<String>, _ kernel: OpaquePointer
    ) -> [UInt32?] {
        var offsets: [ModuleMember: UInt32] = [:]
        for module in present {
            guard let types = btf__load_module_btf(module, kernel) else { continue }
            for member in members where member.module == module {
                offsets[member] = offset(of: member, in: types)
            }
            btf__free(types)
        }
        return members.map { offsets[$0] }
    }

    private static func offset(of member: ModuleMember, in types: OpaquePointer) -> UInt32? {
        let id = btf__find_by_name_kind(types, member.structure, structureKind)
        guard id > 0, let type = btf__type_by_id(types, UInt32(id)) else { return nil }
        let count = Int(type.pointee.info & 0xffff)
        let bitsMask: UInt32 = type.pointee.info >> 31 == 0 ? .max : 0xff_ffff
        // The members follow the type.
        let first = UnsafeRawPointer(type + 1).assumingMemoryBound(to: btf_member.self)
        for candidate in UnsafeBufferPointer(start: first, count: count) {
            guard let name = btf__name_by_offset(types, candidate.name_off) else { continue }
            if String(cString: name) == member.member { return (candidate.offset & bitsMask) / 8 }
        }
        return nil
    }
}
