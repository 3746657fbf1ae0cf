import Glibc

/// Where journald keeps our entries, as far as that can be seen without the right to read them.
struct JournalPlace: Equatable {
    /// One journal file in its present state: journald gives it a new time, size or name with what it stores.
    struct Stamp: Equatable {
        let inode: UInt64
        let bytes: Int64
        let modifiedNanoseconds: Int64
    }

    /// What can be seen at one moment.
    struct Sight: Equatable {
        /// Of the files that take new entries, on disk and in memory; nil for one that is not there or not shown to us.
        var stamps: [Stamp?]
        /// Free bytes where the journal lies, for root, on the fuller file system of two; nil if that is not known.
        var freeBytes: UInt64?
        /// Whether there is a journal in memory, where journald turns to when the disk is full.
        var isInMemory: Bool
        /// What journald stores in memory is shown to root alone.
        var isHidden: Bool { isInMemory && stamps.last == .some(nil) }
    }

    /// On disk, then in memory: the second is what a journal that is not kept uses, and of early boot.
    static let roots = ["/var/log/journal", "/run/log/journal"]
    /// The smallest file that journald makes; with less room it cannot begin another.
    static let minimumFileBytes = 512 * 1024
    /// More than the mounts of a host with hundreds of containers take in the daemon's own namespace.
    private static let maximumMountsBytes = 1 << 20

    /// Directories of this machine's journal, one in each root.
    let folders: [String]
    /// `LogNamespace=` of the service.
    let logNamespace: String?

    /// That of this process.
    ///
    /// - Parameter root: stands in for `/` in tests.
    init(root: String = "") {
        logNamespace = Self.logNamespace(mounts: readSmallFile(root + "/proc/self/mountinfo", Self.maximumMountsBytes))
        let machine = readSmallFile(root + "/etc/machine-id", 64).prefix { $0.isHexDigit }
        let name = machine + (logNamespace.map { "." + $0 } ?? "")
        folders = machine.isEmpty ? [] : Self.roots.map { "\(root)\($0)/\(name)" }
    }

    /// A service with `LogNamespace=x` has `/run/systemd/journal.x` mounted in the place of `/run/systemd/journal`.
    static func logNamespace(mounts: String) -> String? {
        for line in mounts.split(separator: "\n") {
            let parts = line.split(separator: " ")
            guard parts.count > 4, parts[4] == "/run/systemd/journal" else { continue }
            let folder = parts[3].split(separator: "/").last ?? ""
            if folder.hasPrefix("journal."), folder.count > "journal.".count {
                return String(folder.dropFirst("journal.".count))
            }
        }
        return nil
    }

    /// Looks at the files; reads none.
    var sight: Sight {
        var status = stat()
        let isInMemory = folders.last.map { stat($0, &status) == 0 } ?? false
        return Sight(stamps: folders.map(Self.stamp), freeBytes: freeBytes, isInMemory: isInMemory)
    }

    /// On a full disk journald makes files that do not become whole, and removes them again.
    private static func stamp(in folder: String) -> Stamp? {
        var status = stat()
        guard stat(folder + "/system.journal", &status) == 0, status.st_size >= minimumFileBytes else { return nil }
        return Stamp(
            inode: UInt64(status.st_ino), bytes: Int64(status.st_size),
            modifiedNanoseconds: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec))
    }

    private var freeBytes: UInt64? {
        folders.compactMap { folder in
            var system = statvfs()
            return statvfs(folder, &system) == 0 ? UInt64(system.f_bfree) * UInt64(system.f_frsize) : nil
        }.min()
    }
}

/// The beginning of a file of the system as text; empty if it cannot be read.
func readSmallFile(_ path: String, _ maximumBytes: Int) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var text: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 4096)
    while text.count < maximumBytes {
        let count = read(descriptor, &block, block.count)
        guard count > 0 else { break }
        text += block[..<count]
    }
    return String(decoding: text, as: UTF8.self)
}
