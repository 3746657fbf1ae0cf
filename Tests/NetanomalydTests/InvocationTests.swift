import NetAnomalyDaemon
import Testing

@testable import netanomalyd

@Suite struct InvocationTests {
    private func failure(_ arguments: [String]) -> String? {
        do throws(Invocation.UsageError) {
            _ = try Invocation(arguments)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func `without arguments it runs with the defaults`() throws {
        let invocation = try Invocation([])
        #expect(invocation.action == .run && invocation.options == DaemonOptions() && !invocation.asJSON)
        #expect(invocation.options.configurationPath == nil)
        #expect(invocation.options.controlPath == "/run/netanomaly/control")
        #expect(invocation.options.output == .auto)
    }

    @Test(arguments: [
        ["--config", "/a=b", "--control", "c", "--output", "json"],
        ["--output=json", "--control=c", "--config=/a=b"],
    ])
    func `options take their value in both forms and any order`(arguments: [String]) throws {
        let options = try Invocation(arguments).options
        #expect(options.configurationPath == "/a=b" && options.controlPath == "c" && options.output == .json)
    }

    @Test(arguments: DaemonOptions.Output.allCases)
    func `every output has its word`(output: DaemonOptions.Output) throws {
        #expect(try Invocation(["--output", "\(output)"]).options.output == output)
    }

    @Test(arguments: Invocation.Action.allCases.filter { $0 != .run })
    func `every action has its word and may be repeated`(action: Invocation.Action) throws {
        #expect(try Invocation([action.rawValue]).action == action)
        #expect(try Invocation([action.rawValue, action.rawValue]).action == action)
        #expect(Invocation.help.contains(action.rawValue))
    }

    @Test func `-h is --help`() throws { #expect(try Invocation(["-h"]).action == .help) }

    @Test(arguments: [
        (["--colour"], "unknown argument '--colour'"), (["status"], "unknown argument 'status'"),
        ([""], "unknown argument ''"), (["--version=1"], "unknown argument '--version=1'"),
        (["--config"], "--config needs a value"), (["--control", ""], "--control needs a value"),
        (["--output="], "--output needs a value"),
        (["--output", "xml"], "--output: 'xml' is none of auto, journal, json, text"),
        (["--reload", "--version"], "--reload and --version exclude each other"),
        (["--json"], "--json goes with --list-rules and --self-test"),
        (["--json", "--reload"], "--json goes with --list-rules and --self-test"),
    ])
    func `a wrong command line is refused in words`(arguments: [String], sentence: String) {
        #expect(failure(arguments) == sentence)
    }

    @Test(arguments: ["--list-rules", "--self-test"])
    func `--json goes with what has a report, in either order`(action: String) throws {
        #expect(try Invocation(["--json", action]).asJSON && Invocation([action, "--json"]).asJSON)
    }

    @Test func `exit statuses are those of the manual`() {
        let statuses: [NetAnomalyDaemon.ExitStatus] = [.success, .failure, .usage, .notPermitted, .configuration]
        #expect(statuses.map(\.rawValue) == [0, 1, 2, 77, 78])
        #expect(Invocation.help.contains("0; 1 failure; 2 usage; 77 not permitted; 78 configuration"))
    }
}
