import ArgumentParser
import Glibc
import NetAnomalyControl

/// The operator's view of a running netanomalyd; exit statuses are those of netanomalyd(8).
@main
struct Netanomalyctl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "netanomalyctl", abstract: "Asks a running netanomalyd, and tries one out.", version: "0.1.0",
        subcommands: [StatusCommand.self, SelfTestCommand.self])

    @OptionGroup var shared: SharedOptions

    /// As ArgumentParser's own, but for the exit statuses: 2 for a wrong command line.
    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            let code = exitCode(for: error)
            let text = fullMessage(for: error)
            if code == .success {
                print(text)
                Glibc.exit(0)
            }
            if !text.isEmpty { complain(text) }
            Glibc.exit(code == .validationFailure ? 2 : code.rawValue)
        }
    }

    static func complain(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}

/// What every subcommand takes, before its name or after.
struct SharedOptions: ParsableArguments {
    @Option(name: .customLong("control"), help: "The daemon's control socket (default: \(ControlClient.defaultPath)).")
    var controlPath: String?
}

/// `netanomalyctl status`.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "What is watched, and what became of every event.")

    @ParentCommand var parent: Netanomalyctl

    @OptionGroup var shared: SharedOptions

    @Flag(help: "Print the report as the daemon sent it.")
    var json = false

    func run() throws {
        do throws(ControlFailure) {
            let answer = try client.ask("status")
            if json { return print(answer) }
            let isColoured = isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil
            let view = StatusView(
                try Status(json: answer), nowNanoseconds: boottimeNanoseconds(), isColoured: isColoured)
            print(view.text, terminator: "")
        } catch {
            Netanomalyctl.complain("netanomalyctl: \(error.description)")
            throw ExitCode(error.isPermission ? 77 : 1)
        }
    }

    private var client: ControlClient {
        ControlClient(path: shared.controlPath ?? parent.shared.controlPath ?? ControlClient.defaultPath)
    }

    private func boottimeNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// `netanomalyctl self-test`.
struct SelfTestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "self-test",
        abstract: "Make each anomaly in a private network namespace and tell which are seen here.",
        discussion: "Runs 'netanomalyd --self-test' and ends with its exit status. Needs root, and no running daemon.")

    @Flag(help: "Print the report for a program.")
    var json = false

    func run() throws {
        // Nothing comes after it if it works.
        let failure = DaemonProgram.become(["--self-test"] + (json ? ["--json"] : []))
        Netanomalyctl.complain("netanomalyctl: \(failure.description)")
        throw ExitCode(failure.isPermission ? 77 : 1)
    }
}
