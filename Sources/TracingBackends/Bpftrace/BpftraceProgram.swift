import CLinux
import Glibc

/// A script and how bpftrace is to run it.
public struct BpftraceProgram: Sendable {
    /// Where the text of the script comes from.
    public enum Source: Sendable {
        /// Part of the program; bpftrace gets it as a file in memory that nobody can change.
        case embedded([UInt8])
        /// A file, opened and checked by whoever knows what is allowed; the descriptor is closed after use.
        ///
        /// An error is the reason why the script is not run, in words.
        case file(open: @Sendable () throws -> Int32)
    }

    /// How one knows that its probes are attached.
    public enum Readiness: Sendable {
        /// It prints these texts, each from a probe of its own: the first and the last of the script.
        case lines([String])
        /// It says nothing: it is taken as ready when it has lived so long after bpftrace began to attach.
        case alive(nanoseconds: UInt64)
    }

    /// What a heartbeat is.
    public static let heartbeatText = "alive"

    /// Names it in records.
    public let name: String
    /// The script.
    public let source: Source
    /// `$1` and so on.
    public let arguments: [String]
    /// Settings of bpftrace (`BPFTRACE_...`), over those in the daemon's environment.
    public let environment: [String: String]
    /// The absolute path of bpftrace.
    public let executable: String
    /// How one knows that its probes are attached.
    public let readiness: Readiness
    /// Whether it prints `heartbeatText` every few seconds.
    public let hasHeartbeat: Bool

    /// Describes a script to run.
    public init(
        name: String, source: Source, arguments: [String] = [], environment: [String: String] = [:],
        executable: String = "/usr/bin/bpftrace", readiness: Readiness, hasHeartbeat: Bool = false
    ) {
        self.name = name
        self.source = source
        self.arguments = arguments
        self.environment = environment
        self.executable = executable
        self.readiness = readiness
        self.hasHeartbeat = hasHeartbeat
    }

    /// The map in which it counts what it prints: ours under a short name, others' where they choose to.
    var printedMap: String { hasHeartbeat ? "@printed" : "@netanomaly_printed" }

    /// What it prints for its supervisor alone.
    var signs: Set<[UInt8]> {
        var texts = hasHeartbeat ? [Self.heartbeatText] : []
        if case .lines(let ready) = readiness { texts += ready }
        return Set(texts.map { Array($0.utf8) })
    }
}

extension BpftraceProgram {
    /// Makes a process of it.
    func start(epoll: Int32) throws(BpftraceFailure) -> BpftraceChild {
        let script = try openSource()
        defer { close(script) }
        // It takes options among the script's arguments too; one of them runs a command.
        let options = ["-f", "json", "-B", "line", "--", BpftraceChild.scriptPath]
        return try run(options + arguments, script: script, epoll: epoll)
    }

    /// Runs bpftrace to ask for its version.
    func askVersion(epoll: Int32) throws(BpftraceFailure) -> BpftraceChild {
        try run(["--version"], script: -1, epoll: epoll)
    }

    private func run(_ arguments: [String], script: Int32, epoll: Int32) throws(BpftraceFailure) -> BpftraceChild {
        do throws(ErrorCode) {
            return try BpftraceChild(
                executable, arguments: arguments, environment: childEnvironment, script: script, epoll: epoll)
        } catch {
            switch error.code {
            case ENOENT: throw .notInstalled(path: executable)
            case EACCES, EPERM, ENOEXEC, ENOTDIR, ELOOP: throw .notExecutable(path: executable, code: error.code)
            default: throw .cannotStart(code: error.code)
            }
        }
    }

    private func openSource() throws(BpftraceFailure) -> Int32 {
        switch source {
        case .embedded(let text):
            let descriptor = na_sealed_file(name, text, text.count)
            guard descriptor >= 0 else { throw .cannotStart(code: -descriptor) }
            return descriptor
        case .file(let open):
            do {
                return try open()
            } catch {
                throw .scriptUnavailable("\(error)")
            }
        }
    }

    /// Where programs are, for a daemon without PATH.
    private static let usualPath = "/usr/sbin:/usr/bin:/sbin:/bin"

    /// Of the daemon's environment only what concerns bpftrace: the rest may hold what a script should not print.
    private var childEnvironment: [String] {
        var variables = ["PATH": Self.usualPath]
        var next = na_environment()
        while let entry = next?.pointee {
            let text = String(cString: entry)
            next = next?.successor()
            guard let equals = text.firstIndex(of: "="), text.hasPrefix("BPFTRACE_") || text.hasPrefix("PATH=") else {
                continue
            }
            variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
        }
        variables.merge(environment) { $1 }
        return variables.map { "\($0)=\($1)" }
    }
}
