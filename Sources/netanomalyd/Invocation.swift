import NetAnomalyDaemon

/// The command line, parsed.
///
/// By hand: eleven options do not justify the 4 MB that an argument parser adds to a daemon.
struct Invocation: Equatable {
    enum Action: String, CaseIterable {
        case run = ""
        case checkConfiguration = "--check-config"
        case dumpConfiguration = "--dump-config"
        case listRules = "--list-rules"
        case reload = "--reload"
        case selfTest = "--self-test"
        case version = "--version"
        case help = "--help"
    }

    /// A command line that cannot be followed.
    struct UsageError: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    var action = Action.run
    var options = DaemonOptions()
    var asJSON = false

    init(_ arguments: [String]) throws(UsageError) {
        var rest = Self.splitValues(arguments)[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--config": options.configurationPath = try Self.value(of: argument, &rest)
            case "--control": options.controlPath = try Self.value(of: argument, &rest)
            case "--output":
                let text = try Self.value(of: argument, &rest)
                guard let output = DaemonOptions.Output(rawValue: text) else {
                    let known = DaemonOptions.Output.allCases.map(\.rawValue).joined(separator: ", ")
                    throw UsageError(description: "--output: '\(text)' is none of \(known)")
                }
                options.output = output
            case "--json": asJSON = true
            case "--keep-state": options.keepsState = true
            case "-h": action = .help
            default:
                guard let known = Action(rawValue: argument), known != .run else {
                    throw UsageError(description: "unknown argument '\(argument)'")
                }
                guard action == .run || action == known else {
                    throw UsageError(description: "\(action.rawValue) and \(argument) exclude each other")
                }
                action = known
            }
        }
        if asJSON, ![.listRules, .selfTest].contains(action) {
            throw UsageError(description: "--json goes with --list-rules and --self-test")
        }
    }

    private static let optionsWithValue = ["--config", "--control", "--output"]

    /// `--output=json` means the same as `--output json`.
    private static func splitValues(_ arguments: [String]) -> [String] {
        arguments.flatMap { argument -> [String] in
            guard let equals = argument.firstIndex(of: "=") else { return [argument] }
            let option = String(argument[..<equals])
            guard optionsWithValue.contains(option) else { return [argument] }
            return [option, String(argument[argument.index(after: equals)...])]
        }
    }

    private static func value(of option: String, _ rest: inout ArraySlice<String>) throws(UsageError) -> String {
        guard let value = rest.popFirst(), !value.isEmpty else {
            throw UsageError(description: "\(option) needs a value")
        }
        return value
    }

    static let help = """
        Usage: netanomalyd [--config FILE] [--output auto|journal|json|text] [--control SOCKET] [--keep-state]
               netanomalyd --check-config|--dump-config [--config FILE]
               netanomalyd --list-rules [--json]
               netanomalyd --reload [--control SOCKET]
               netanomalyd --self-test [--json]

        Watches the kernel for abnormal ARP and abnormal GSO metadata on TUN/TAP devices, and writes each anomaly to
        the journal. Runs in the foreground; SIGHUP reloads, SIGTERM stops after the last event is written.

          --config FILE      read FILE (and FILE.d/*.conf) instead of /etc/netanomaly.conf and its drop-ins
          --output WHERE     auto (the journal if there is one, else text on stderr), journal, json or text (stdout)
          --control SOCKET   control socket, default \(DaemonOptions.defaultControlPath)
          --keep-state       for a service of systemd with FileDescriptorStoreMax=: the kernel's programs watch on while
                             the daemon is restarted, and the next process goes on where this one stopped
          --check-config     print every problem of the configuration; exit 78 if there is one
          --dump-config      print the configuration in force and where each value comes from
          --list-rules       print all rules; --json for scripts
          --reload           have the running daemon reload; exit 0 when applied, 78 when refused
          --self-test        make each anomaly in a private network namespace and tell which are seen; exit 0 if all
                             that this kernel can show are; --json for scripts
          --version, --help

        Exit status: 0; 1 failure; 2 usage; 77 not permitted; 78 configuration.
        See netanomalyd(8), netanomaly.conf(5), netanomalyd-fields(7), netanomalyctl(1).

        """
}
