internal import AnomalyModel
import CLibbpf
import Glibc

/// One BPF object in the kernel.
///
/// The libbpf binding: only files of this target touch libbpf's pointers. Owns the `bpf_object` and its links; lives on the loop's thread.
struct LoadedObject: ~Copyable {
    private let object: OpaquePointer
    /// What its maps look like: an object of the same number can go on with them.
    let layout: UInt64
    /// Why it has maps of its own although others were offered; nil if it has taken those, or none were.
    let obstacle: String?
    private var links: [String: OpaquePointer] = [:]

    /// The kernel's own types, read from there as an ordinary file.
    private static let kernelTypes = "/sys/kernel/btf/vmlinux"

    /// Opens and loads the object.
    ///
    /// A type that is not in the kernel's own BTF is looked for in the modules', which takes CAP_SYS_ADMIN: without
    /// it that search fails the whole load, and the object is loaded again against the kernel's types alone.
    ///
    /// - Parameters:
    ///   - turn: when the configuration names this, the programs judge.
    ///   - without: programs that this kernel does not take.
    ///   - entries: sizes of maps, by name.
    ///   - inherited: maps to go on with, if they fit.
    /// - Throws: errno as libbpf gives it; `LibbpfLog` holds what libbpf said.
    init(
        _ image: ProbeObject, turn: UInt64 = 0, without: Set<String> = [], entries: [String: UInt32] = [:],
        inherited: InheritedSession? = nil
    ) throws(LoadFailure) {
        let loaded: (object: OpaquePointer, layout: UInt64, obstacle: String?)
        do {
            loaded = try Self.load(image, turn, types: nil, without: without, entries: entries, inherited)
        } catch {
            guard error.code == EPERM else { throw error }
            loaded = try Self.load(
                image, turn, types: Self.kernelTypes, without: without, entries: entries, inherited)
        }
        (object, layout, obstacle) = loaded
    }

    private static func load(
        _ image: ProbeObject, _ turn: UInt64, types: String?, without: Set<String>, entries: [String: UInt32],
        _ inherited: InheritedSession?
    ) throws(LoadFailure) -> (object: OpaquePointer, layout: UInt64, obstacle: String?) {
        LibbpfLog.start()
        guard let opened = open(image, types: types) else { throw LoadFailure(code: errno, log: LibbpfLog.lines) }
        for name in without {
            guard let program = bpf_object__find_program_by_name(opened, name) else { continue }
            bpf_program__set_autoload(program, false)
        }
        for (name, count) in entries {
            guard let map = bpf_object__find_map_by_name(opened, name) else { continue }
            bpf_map__set_max_entries(map, count)
        }
        if let map = bpf_object__find_map_by_name(opened, ".rodata.turn") {
            withUnsafeBytes(of: turn) { _ = bpf_map__set_initial_value(map, $0.baseAddress, $0.count) }
        }
        let layout = na_layout_digest(opened)
        let obstacle = inherited?.obstacle(layout: layout, entries: entries)
        if let inherited, obstacle == nil { try reuse(inherited, in: opened) }
        let result = bpf_object__load(opened)
        guard result == 0 else {
            let log = LibbpfLog.lines
            bpf_object__close(opened)
            throw LoadFailure(code: -result, log: log)
        }
        return (opened, layout, obstacle)
    }

    private static func reuse(_ inherited: InheritedSession, in opened: OpaquePointer) throws(LoadFailure) {
        for name in ProbeSession.inheritedMaps {
            guard let descriptor = inherited.mapsByName[name],
                let map = bpf_object__find_map_by_name(opened, name)
            else { continue }
            let result = bpf_map__reuse_fd(map, descriptor)
            guard result == 0 else {
                bpf_object__close(opened)
                throw LoadFailure(code: -result, log: LibbpfLog.lines)
            }
        }
    }

    private static func open(_ image: ProbeObject, types: String?) -> OpaquePointer? {
        var options = bpf_object_open_opts()
        options.sz = MemoryLayout<bpf_object_open_opts>.size
        return image.words.withUnsafeBytes { words in
            image.name.withCString { name in
                options.object_name = name
                guard let types else { return bpf_object__open_mem(words.baseAddress, image.size, &options) }
                return types.withCString { path in
                    options.btf_custom_path = path
                    return bpf_object__open_mem(words.baseAddress, image.size, &options)
                }
            }
        }
    }

    deinit {
        links.values.forEach { bpf_link__destroy($0) }
        bpf_object__close(object)
    }

    /// Attaches a program; nil on success, else errno.
    mutating func attach(_ program: String) -> CInt? {
        guard let loaded = bpf_object__find_program_by_name(object, program) else { return ENOENT }
        guard let link = bpf_program__attach(loaded) else { return errno }
        links[program] = link
        return nil
    }

    /// Takes every program off its hook; maps and ring stay readable.
    mutating func detachAll() {
        links.values.forEach { bpf_link__destroy($0) }
        links.removeAll()
    }

    /// The descriptors that hold the programs on their hooks.
    var linkDescriptors: [CInt] { links.values.map { bpf_link__fd($0) } }

    /// The descriptor of a map; negative when there is none.
    func mapDescriptor(_ name: String) -> CInt { bpf_object__find_map_fd_by_name(object, name) }

    /// Runs a `SEC("syscall")` program over `context`, which it may change.
    func run<Context: BitwiseCopyable>(_ program: String, _ context: inout Context) throws(BackendError) {
        guard let loaded = bpf_object__find_program_by_name(object, program) else {
            throw .failed(what: "Cannot find BPF program \(program)", code: ENOENT)
        }
        let descriptor = bpf_program__fd(loaded)
        let result = withUnsafeMutableBytes(of: &context) { bytes in
            var options = bpf_test_run_opts()
            options.sz = MemoryLayout<bpf_test_run_opts>.size
            options.ctx_in = UnsafeRawPointer(bytes.baseAddress)
            options.ctx_size_in = UInt32(bytes.count)
            return bpf_prog_test_run_opts(descriptor, &options)
        }
        if result != 0 { throw .failed(what: "Cannot run BPF program \(program)", code: -result) }
    }

    /// Reads one slot of an array map.
    func read<Value: BitwiseCopyable>(_ map: CInt, slot: UInt32, into value: inout Value) throws(BackendError) {
        var key = slot
        let result = withUnsafeMutableBytes(of: &value) { bpf_map_lookup_elem(map, &key, $0.baseAddress) }
        if result != 0 { throw .failed(what: "Cannot read a BPF map", code: -result) }
    }

    /// Reads one slot of a per-CPU array map: a value for each CPU.
    func readPerCPU<Value: BitwiseCopyable>(
        _ map: CInt, slot: UInt32, cpus: Int, zero: Value
    ) throws(BackendError) -> [Value] {
        var key = slot
        var values = [Value](repeating: zero, count: cpus)
        let result = values.withUnsafeMutableBytes { bpf_map_lookup_elem(map, &key, $0.baseAddress) }
        if result != 0 { throw .failed(what: "Cannot read a BPF map", code: -result) }
        return values
    }

    /// Writes one slot of an array map.
    func write<Value: BitwiseCopyable>(_ map: CInt, slot: UInt32, _ value: Value) throws(BackendError) {
        var key = slot
        let result = withUnsafeBytes(of: value) { bpf_map_update_elem(map, &key, $0.baseAddress, UInt64(BPF_ANY)) }
        if result != 0 { throw .failed(what: "Cannot write a BPF map", code: -result) }
    }

    /// Writes one slot of an array map that holds numbers.
    func write(_ map: CInt, slot: UInt32, numbers: [UInt64]) throws(BackendError) {
        var key = slot
        let result = numbers.withUnsafeBytes { bpf_map_update_elem(map, &key, $0.baseAddress, UInt64(BPF_ANY)) }
        if result != 0 { throw .failed(what: "Cannot write a BPF map", code: -result) }
    }

    /// Enters a key with its value.
    func enter<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ map: CInt, _ key: Key, _ value: Value
    ) throws(BackendError) {
        let result = withUnsafeBytes(of: key) { key in
            withUnsafeBytes(of: value) {
                bpf_map_update_elem(map, key.baseAddress, $0.baseAddress, UInt64(BPF_ANY))
            }
        }
        if result != 0 { throw .failed(what: "Cannot write a BPF map", code: -result) }
    }

    /// Takes a key out; one that is not there is as good.
    func remove<Key: BitwiseCopyable>(_ map: CInt, _ key: Key) throws(BackendError) {
        let result = withUnsafeBytes(of: key) { bpf_map_delete_elem(map, $0.baseAddress) }
        if result != 0, result != -ENOENT { throw .failed(what: "Cannot write a BPF map", code: -result) }
    }

    /// Kernel memory of all maps and programs, in bytes, as the kernel itself accounts for it.
    func kernelMemoryBytes() -> UInt64 {
        var total: UInt64 = 0
        var map = bpf_object__next_map(object, nil)
        while let current = map {
            total += DescriptorInfo.number("memlock", of: bpf_map__fd(current)) ?? 0
            map = bpf_object__next_map(object, current)
        }
        var program = bpf_object__next_program(object, nil)
        while let current = program {
            total += DescriptorInfo.number("memlock", of: bpf_program__fd(current)) ?? 0
            program = bpf_object__next_program(object, current)
        }
        return total
    }

    /// How often the kernel skipped the program because it was already running on that CPU; 0 before Linux 5.12.
    func recursionMisses(_ program: String) -> UInt64 {
        guard let loaded = bpf_object__find_program_by_name(object, program) else { return 0 }
        var info = bpf_prog_info()
        var size = UInt32(MemoryLayout<bpf_prog_info>.size)
        return bpf_obj_get_info_by_fd(bpf_program__fd(loaded), &info, &size) == 0 ? info.recursion_misses : 0
    }
}

/// A failed load: the error and what libbpf said about it.
struct LoadFailure: Error {
    let code: CInt
    let log: [String]

    /// The program that libbpf could not load, by its own words: `libbpf: prog 'NAME': …`.
    var program: String? {
        for line in log.reversed() {
            let parts = line.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
            if parts.count == 3, parts[0].hasSuffix("prog ") { return String(parts[1]) }
        }
        return nil
    }
}

/// What libbpf said during this thread's current load.
enum LibbpfLog {
    static var lines: [String] {
        (0..<na_libbpf_log_count()).map { na_libbpf_log_line($0).map { String(cString: $0) } ?? "" }
    }

    static func start() { na_libbpf_start_log() }
}
