import Glibc

/// A file that readers see whole: the old one, or the new one.
enum WholeFile {
    /// What went wrong, and where.
    struct Failure: Error, Equatable, CustomStringConvertible {
        let step: String
        let path: String
        let code: Int32

        var description: String { "cannot \(step) \(path): \(String(cString: strerror(code)))" }
    }

    /// Everybody may read it, whatever the umask.
    private static let mode: mode_t = 0o644

    /// Writes a file beside `path` and renames it.
    ///
    /// It is not flushed to the disk: after a crash of the machine the next one is soon there. The folder may be
    /// writable by others, so no link is followed, and what stands in the way is removed and not reused.
    static func replace(_ path: String, with text: String) throws(Failure) {
        let draft = draftPath(of: path)
        let descriptor = try create(draft)
        do throws(Failure) {
            try write(text, to: descriptor, draft)
            guard rename(draft, path) == 0 else { throw Failure(step: "replace", path: path, code: errno) }
        } catch {
            unlink(draft)
            throw error
        }
    }

    /// In the same folder, and of a name that no collector reads.
    static func draftPath(of path: String) -> String {
        let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        return path[..<slash] + "." + path[slash...] + ".new"
    }

    private static func create(_ draft: String) throws(Failure) -> Int32 {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        var descriptor = open(draft, flags, mode)
        if descriptor < 0, errno == EEXIST, unlink(draft) == 0 { descriptor = open(draft, flags, mode) }
        if descriptor < 0 { throw Failure(step: "create", path: draft, code: errno) }
        return descriptor
    }

    private static func write(_ text: String, to descriptor: Int32, _ draft: String) throws(Failure) {
        var failure: Int32 = fchmod(descriptor, mode) == 0 ? 0 : errno
        var rest = Array(text.utf8)[...]
        while failure == 0, !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                failure = errno
            }
        }
        // A network file system may find out now.
        if close(descriptor) != 0, failure == 0 { failure = errno }
        if failure != 0 { throw Failure(step: "write", path: draft, code: failure) }
    }
}
