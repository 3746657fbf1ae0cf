import Glibc

/// The content of one configuration file and the name it goes by in problems and origins.
public struct ConfigurationSource: Sendable, Equatable {
    /// The path as it was opened.
    public let path: String
    /// Unchecked: any bytes.
    public let bytes: [UInt8]

    /// Takes the content of a file.
    public init(path: String, bytes: [UInt8]) {
        self.path = path
        self.bytes = bytes
    }
}

/// Where a configuration is looked for: a main file and the drop-ins that amend it.
public struct ConfigurationLocation: Sendable, Equatable {
    /// A hundred times the shipped file; more is a wrong path.
    static let maximumFileSize = 1 << 20
    /// All drop-ins are held in memory while they are read; a machine has a handful.
    static let maximumDropIns = 256

    /// Read first.
    public let mainFile: String
    /// Whether a missing main file is an error; otherwise the defaults hold.
    public let isMainFileRequired: Bool
    /// Directories with `*.conf`, the weakest first: a name in a later one hides the same name in an earlier one.
    public let dropInDirectories: [String]

    /// Names the files; tests and chroots use their own.
    public init(mainFile: String, isMainFileRequired: Bool, dropInDirectories: [String]) {
        self.mainFile = mainFile
        self.isMainFileRequired = isMainFileRequired
        self.dropInDirectories = dropInDirectories
    }

    /// A file that was named by hand: it must exist, and only `FILE.d/*.conf` amends it.
    public init(file: String) {
        self.init(mainFile: file, isMainFileRequired: true, dropInDirectories: [file + ".d"])
    }

    /// The machine's own configuration, laid out as systemd's are.
    public static let standard = ConfigurationLocation(
        mainFile: "/etc/netanomaly.conf",
        isMainFileRequired: false,
        dropInDirectories: ["/usr/lib", "/run", "/etc"].map { $0 + "/netanomaly.conf.d" }
    )

    /// The main file, then the drop-ins by file name, whatever their directory.
    ///
    /// A link to `/dev/null` needs no care: it hides its name and reads as an empty file.
    func read(reporting errors: inout ConfigurationErrors) -> [ConfigurationSource] {
        var sources: [ConfigurationSource] = []
        var paths = [mainFile]
        paths += dropIns(reporting: &errors)
        for path in paths {
            do throws(ReadFailure) {
                sources.append(ConfigurationSource(path: path, bytes: try content(of: path)))
            } catch .system(ENOENT) where path == mainFile && !isMainFileRequired {
                continue
            } catch {
                errors.report("cannot read: \(error.text)", file: path)
            }
        }
        return sources
    }

    private func dropIns(reporting errors: inout ConfigurationErrors) -> [String] {
        var pathsByName: [String: String] = [:]
        for directory in dropInDirectories {
            do throws(ReadFailure) {
                for path in try configurationFiles(in: directory) {
                    let name = path.utf8.dropFirst(directory.utf8.count + 1)
                    pathsByName[String(decoding: name, as: UTF8.self)] = path
                }
            } catch {
                errors.report("cannot read: \(error.text)", file: directory)
            }
            if pathsByName.count > Self.maximumDropIns {
                errors.report("more than \(Self.maximumDropIns) drop-in files", file: directory)
                return []
            }
        }
        return pathsByName.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map(\.value)
    }
}

private enum ReadFailure: Error {
    case system(Int32)
    case tooLarge

    var text: String {
        switch self {
        case .system(let code): String(cString: strerror(code))
        case .tooLarge: "larger than \(ConfigurationLocation.maximumFileSize >> 20) MiB"
        }
    }
}

/// Visible `*.conf` in a directory; none if there is no such directory.
private func configurationFiles(in directory: String) throws(ReadFailure) -> [String] {
    let escaped = directory.map { "*?[]\\".contains($0) ? "\\\($0)" : String($0) }.joined()
    var matches = glob_t()
    defer { globfree(&matches) }
    switch glob(escaped + "/*.conf", GLOB_ERR, nil, &matches) {
    case 0: return (0..<Int(matches.gl_pathc)).compactMap { matches.gl_pathv[$0].map { String(cString: $0) } }
    case GLOB_NOMATCH: return []
    case GLOB_ABORTED where errno == ENOENT: return []
    case GLOB_ABORTED: throw .system(errno)
    default: throw .system(ENOMEM)
    }
}

/// All bytes of a file, opened non-blocking so that a FIFO cannot hold up a start or a reload.
private func content(of path: String) throws(ReadFailure) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .system(errno) }
    defer { close(descriptor) }
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = Glibc.read(descriptor, &chunk, chunk.count)
        if count == 0 { return content }
        if count < 0 {
            if errno == EINTR { continue }
            throw .system(errno)
        }
        guard content.count + count <= ConfigurationLocation.maximumFileSize else { throw .tooLarge }
        content += chunk[..<count]
    }
}
