import Glibc

/// Stream sockets in the file system (unix(7)), for the control socket and its clients.
enum LocalSocket {
    /// Longest path that fits into `sockaddr_un`, its end included.
    static let maxPathBytes = 108
    /// The daemon's user and group may use the socket; root may anyway.
    private static let mode: mode_t = 0o660

    /// Binds and listens; the folder is made where it is missing.
    ///
    /// Only the socket of a dead process is replaced. One that is answered on is left alone, because two daemons would
    /// count everything twice; and so is what is no socket at all.
    static func listen(path: String, backlog: Int32) throws(SystemError) -> Int32 {
        let folder = path.split(separator: "/").dropLast().joined(separator: "/")
        if path.hasPrefix("/"), !folder.isEmpty { mkdir("/" + folder, 0o755) }
        try makeRoom(path)
        let descriptor = try open()
        let mask = umask(0o777 & ~mode)
        let bound = withAddress(path) { Glibc.bind(descriptor, $0, $1) }
        umask(mask)
        guard bound == 0, Glibc.listen(descriptor, backlog) == 0 else {
            let error = SystemError("listen on \(path)")
            close(descriptor)
            throw error
        }
        return descriptor
    }

    private static func makeRoom(_ path: String) throws(SystemError) {
        if let answering = connect(path: path) {
            close(answering)
            errno = EAGAIN
        }
        switch errno {
        case ENOENT: return
        // Answered, or so many callers wait already that we cannot.
        case EAGAIN:
            errno = EADDRINUSE
            throw SystemError("listen on \(path): another netanomalyd answers there")
        case ECONNREFUSED:
            var status = stat()
            if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK {
                unlink(path)
                return
            }
            errno = EEXIST
            throw SystemError("listen on \(path)")
        default: throw SystemError("listen on \(path)")
        }
    }

    /// A connected descriptor, or nil with errno set.
    static func connect(path: String) -> Int32? {
        guard let descriptor = try? open() else { return nil }
        if withAddress(path, { Glibc.connect(descriptor, $0, $1) }) == 0 { return descriptor }
        let failure = errno
        close(descriptor)
        errno = failure
        return nil
    }

    /// Which file a path names at present.
    struct Identity: Equatable {
        let device: dev_t
        let inode: ino_t
    }

    /// nil when there is nothing at the path.
    static func identity(of path: String) -> Identity? {
        var status = stat()
        return lstat(path, &status) == 0 ? Identity(device: status.st_dev, inode: status.st_ino) : nil
    }

    private static func open() throws(SystemError) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { throw SystemError("create a socket") }
        return descriptor
    }

    private static func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        guard path.utf8.count < maxPathBytes else {
            errno = ENAMETOOLONG
            return -1
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
