/// What the command line decides for a run in the foreground.
public struct DaemonOptions: Sendable, Equatable {
    /// Where records go.
    public enum Output: String, Sendable, CaseIterable {
        /// The journal where its socket answers, else text on stderr.
        case auto
        case journal
        case json
        case text
    }

    /// A file named by hand; nil for the machine's configuration.
    public var configurationPath: String?
    /// Where records go.
    public var output = Output.auto
    /// Whether systemd's descriptor store holds what the next process goes on with.
    public var keepsState = false
    /// Path of the control socket.
    public var controlPath = DaemonOptions.defaultControlPath

    /// Where `netanomalyctl` and `--reload` look, too.
    public static let defaultControlPath = "/run/netanomaly/control"

    /// The defaults.
    public init() {}
}

/// Exit statuses, see netanomalyd(8); 77 and 78 are those of sysexits.h.
public enum ExitStatus: Int32, Sendable {
    case success = 0
    case failure = 1
    case usage = 2
    case notPermitted = 77
    case configuration = 78
}

/// The version, as `--version`, records and the changelog name it.
public let daemonVersion = "0.1.0"
