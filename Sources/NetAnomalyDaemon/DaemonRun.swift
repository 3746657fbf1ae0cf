import AnomalyModel
import DaemonConfig
import Detectors
import Glibc
import TracingBackends

/// Everything that `netanomalyd` can be asked to do, each with the exit status it ends in.
public enum DaemonRun {
    /// Runs in the foreground until it is told to stop.
    public static func run(_ options: DaemonOptions) -> ExitStatus {
        let configuration: Configuration
        do {
            configuration = try Configuration.load(path: options.configurationPath, rules: allRules)
        } catch {
            Console.error(error.description)
            return .configuration
        }
        do {
            // Before anything else may be signalled.
            let loop = try EventLoop()
            if let problem = Daemon.firstProblem(configuration) { return report(problem) }
            let daemon = try Daemon(options, configuration, loop: loop)
            if let problem = daemon.start() { return report(problem) }
            return daemon.run()
        } catch {
            Console.error(error.description)
            return .failure
        }
    }

    private static func report(_ problem: BackendError) -> ExitStatus {
        Console.error(problem.description)
        return problem.isPermission ? .notPermitted : .failure
    }

    /// `--check-config`: every problem on stdout, as editors and scripts read them.
    public static func checkConfiguration(_ path: String?) -> ExitStatus {
        withConfiguration(path) { _ in }
    }

    /// `--dump-config`: what is in force with its origin.
    public static func dumpConfiguration(_ path: String?) -> ExitStatus {
        withConfiguration(path) { Console.out($0.dump) }
    }

    private static func withConfiguration(_ path: String?, _ body: (Configuration) -> Void) -> ExitStatus {
        do {
            body(try Configuration.load(path: path, rules: allRules))
            return .success
        } catch {
            Console.out(error.description + "\n")
            return .configuration
        }
    }

    /// `--list-rules`: all rules with their defaults.
    public static func listRules(asJSON: Bool) -> ExitStatus {
        Console.out(asJSON ? RuleList.json.text + "\n" : RuleList.text)
        return .success
    }

    /// `--reload`: asks the running daemon and waits for its word.
    public static func reload(controlPath: String) -> ExitStatus {
        guard let answer = ControlRequest.ask("reload", path: controlPath) else {
            let failure = errno
            let reason = String(cString: strerror(failure))
            Console.error("Cannot reach netanomalyd on \(controlPath): \(reason); is it running?")
            return failure == EACCES ? .notPermitted : .failure
        }
        let lines = answer.split(separator: "\n").map(String.init)
        switch lines.first {
        case "applied": return .success
        case "refused":
            Console.error(lines.dropFirst().joined(separator: "\n"))
            return .configuration
        default:
            Console.error("netanomalyd on \(controlPath) gave no answer that this version understands")
            return .failure
        }
    }
}
