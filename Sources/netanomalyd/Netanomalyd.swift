import Glibc
import NetAnomalyDaemon
import SelfTest

/// `netanomalyd`: options and exit statuses; everything else is NetAnomalyDaemon and SelfTest.
@main
enum Netanomalyd {
    static func main() {
        exit(run(Array(CommandLine.arguments.dropFirst())).rawValue)
    }

    private static func run(_ arguments: [String]) -> ExitStatus {
        let invocation: Invocation
        do {
            invocation = try Invocation(arguments)
        } catch {
            Console.error("\(error.description)\nTry 'netanomalyd --help'.")
            return .usage
        }
        let options = invocation.options
        switch invocation.action {
        case .run: return DaemonRun.run(options)
        case .checkConfiguration: return DaemonRun.checkConfiguration(options.configurationPath)
        case .dumpConfiguration: return DaemonRun.dumpConfiguration(options.configurationPath)
        case .listRules: return DaemonRun.listRules(asJSON: invocation.asJSON)
        case .reload: return DaemonRun.reload(controlPath: options.controlPath)
        case .selfTest: return SelfTest.run(asJSON: invocation.asJSON)
        case .version:
            Console.out("netanomalyd \(daemonVersion)\n")
            return .success
        case .help:
            Console.out(Invocation.help)
            return .success
        }
    }
}
