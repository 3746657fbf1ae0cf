import AnomalyModel
import Glibc

/// Why a script is not run; a sentence with what mends it.
public struct ScriptFileProblem: Error, Equatable, CustomStringConvertible {
    /// One line, safe for a terminal.
    public let description: String
}

/// The file of a script, which runs with all the rights there are: nobody but root may have a say in it.
///
/// Links are followed, and every directory on the way is judged, also where links lead through: each is root's and
/// nobody else may write to it. So at that moment nobody but root can change what the path names or what the file says.
/// Not seen is who opened the file for writing before it became so.
public enum ScriptFile {
    /// The largest script: ten times the largest of bpftrace's own tools.
    public static let maximumBytes = 64 << 10

    /// Opens a script for reading.
    ///
    /// - Returns: A descriptor of the very file that was judged; the caller closes it.
    public static func open(_ path: String) throws(ScriptFileProblem) -> Int32 {
        let walk = try Walk(to: path)
        // O_NONBLOCK: a FIFO that has taken the file's place must not hold up the daemon.
        let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
        let descriptor = openat(walk.directory, walk.name, flags)
        guard descriptor >= 0 else { throw walk.failure(errno) }
        do throws(ScriptFileProblem) {
            try walk.judgeFile(descriptor)
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// What is wrong with a script, which the caller need not be able to read; nil if nothing is.
    static func problem(_ path: String) -> String? {
        do throws(ScriptFileProblem) {
            _ = try Walk(to: path)
            return nil
        } catch {
            return error.description
        }
    }
}

/// O_PATH of asm-generic/fcntl.h, which Swift's Glibc lacks.
private let pathOnly: Int32 = 0o10_000_000

/// The way from the root directory to a file, through one judged directory after the other.
private final class Walk {
    /// As many as the kernel follows: MAXSYMLINKS of linux/namei.h.
    private static let maximumLinks = 40

    /// The directory that has the file; closed with the walk.
    private(set) var directory: Int32 = -1
    /// The file's name in it, which is no link.
    private(set) var name = ""
    /// The names that have led here from the root directory.
    private var names: [String] = []

    init(to path: String) throws(ScriptFileProblem) {
        var ahead = Self.reversedNames(path)
        var links = 0
        try enter(Glibc.open("/", pathOnly | O_DIRECTORY | O_CLOEXEC), nil)
        while let next = ahead.popLast() {
            name = next
            let entry = openat(directory, next, pathOnly | O_NOFOLLOW | O_CLOEXEC)
            switch try status(of: entry).st_mode & S_IFMT {
            case S_IFDIR: try enter(entry, next)
            case S_IFLNK:
                defer { close(entry) }
                links += 1
                guard links <= Self.maximumLinks else { throw failure(ELOOP) }
                let target = try target(of: entry)
                ahead += Self.reversedNames(target)
                if target.hasPrefix("/") { try enter(Glibc.open("/", pathOnly | O_DIRECTORY | O_CLOEXEC), nil) }
            default:
                defer { close(entry) }
                guard ahead.isEmpty else { throw failure(ENOTDIR) }
                try judgeFile(entry)
                return
            }
        }
        throw ScriptFileProblem(description: "\(place(of: nil)) is a directory, expected a file")
    }

    deinit { close(directory) }

    /// Throws unless the descriptor is a script's that only root can have written.
    func judgeFile(_ descriptor: Int32) throws(ScriptFileProblem) {
        let status = try status(of: descriptor)
        let place = place(of: name)
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ScriptFileProblem(description: "\(place) is not a regular file")
        }
        guard status.st_size <= ScriptFile.maximumBytes else {
            throw ScriptFileProblem(description: "\(place) is larger than \(ScriptFile.maximumBytes >> 10) KiB")
        }
        try judgeOwner(status, place)
    }

    /// The problem that a system call has had with the present name.
    func failure(_ code: Int32) -> ScriptFileProblem {
        ScriptFileProblem(description: "cannot look at \(place(of: name)): \(String(cString: strerror(code)))")
    }

    /// Goes on from a directory, by its name in the present one or from the root directory.
    private func enter(_ descriptor: Int32, _ name: String?) throws(ScriptFileProblem) {
        close(directory)
        directory = descriptor
        switch name {
        case nil: names = []
        case "..": _ = names.popLast()
        case let name?: names.append(name)
        }
        try judgeOwner(try status(of: descriptor), place(of: nil))
    }

    private func judgeOwner(_ status: stat, _ place: String) throws(ScriptFileProblem) {
        var facts: [String] = []
        var cures: [String] = []
        if status.st_uid != 0 {
            facts.append("belongs to user \(status.st_uid) instead of root")
            cures.append("chown root \(place)")
        }
        if status.st_mode & (S_IWGRP | S_IWOTH) != 0 {
            facts.append("can be written by others than root (mode \(octal(status.st_mode)))")
            cures.append("chmod go-w \(place)")
        }
        if facts.isEmpty { return }
        // Nobody should take the write permission from /tmp.
        let isShared = status.st_mode & S_ISVTX != 0
        let cure = isShared ? "move the script to /etc/netanomaly.d" : "mend it with: " + cures.joined(separator: "; ")
        throw ScriptFileProblem(description: "\(place) \(facts.joined(separator: " and ")); \(cure)")
    }

    private func status(of descriptor: Int32) throws(ScriptFileProblem) -> stat {
        var status = stat()
        // -1 of a failed open comes here with its errno.
        guard descriptor >= 0, fstat(descriptor, &status) == 0 else { throw failure(errno) }
        return status
    }

    private func target(of link: Int32) throws(ScriptFileProblem) -> String {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlinkat(link, "", &target, target.count)
        guard count >= 0 else { throw failure(errno) }
        return String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A name in the present directory, or that directory, as a shell would take it.
    private func place(of name: String?) -> String {
        let path = "/" + (names + (name.map { [$0] } ?? [])).joined(separator: "/")
        return "'" + safeText(path.utf8) + "'"
    }

    private func octal(_ mode: mode_t) -> String {
        let digits = String(mode & 0o7777, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    private static func reversedNames(_ path: String) -> [String] {
        path.split(separator: "/").filter { $0 != "." }.reversed().map(String.init)
    }
}
