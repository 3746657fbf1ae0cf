import AnomalyModel
import DaemonConfig
import Testing

@Suite struct ScriptTests {
    @Test func everyKeyOfAScriptIsRead() throws {
        let scripts = try configuration(scriptText).scripts
        #expect(scripts.map(\.name) == ["drops", "tcp-storm"])
        let storm = try #require(scripts.last)
        #expect(storm.path == "/etc/netanomaly.d/tcp storm.bt" && !storm.isEnabled)
        #expect(storm.arguments == ["100", "10", "10"] && storm.keyFields == ["saddr", "dport", "pid"])
        #expect(storm.priority == .warning && storm.dedupIntervalNanoseconds == 300 * second)
        #expect(storm.rateLimitIntervalNanoseconds == 60 * second && storm.rateLimitBurst == 7)
    }

    @Test func aScriptNeedsAPathAndFollowsTheLimits() throws {
        let text = "[Script drops]\nPath=/x.bt\n[Limits]\nRateLimitBurst=9\nDedupIntervalSec=1\nRateLimitIntervalSec=2"
        let drops = try #require(try configuration(text).scripts.first)
        #expect(drops.isEnabled && drops.priority == .notice && drops.arguments.isEmpty && drops.keyFields == nil)
        #expect(drops.rateLimitBurst == 9 && drops.dedupIntervalNanoseconds == second)
        #expect(drops.rateLimitIntervalNanoseconds == 2 * second)
    }

    @Test func aLaterFileAmendsAScript() throws {
        let amended = try configuration(scriptText, "[Script drops]\nPriority=err\n[Script tcp-storm]\nArguments=")
        #expect(amended.scripts.map(\.priority) == [.error, .warning])
        #expect(amended.scripts.map(\.arguments) == [[], []])
        #expect(amended.settings.first { $0.section == "Script drops" && $0.key == "Priority" }?.origin == "2.conf:2")
    }

    @Test(arguments: [
        ("[Script]", "1.conf:1:1: error: section [Script] needs a name, as in [Script tcp-storm]"),
        ("[script x]", "1.conf:1:1: error: unknown section 'script', did you mean 'Script'?"),
        ("[Script x]", "1.conf:1:1: error: [Script x] needs a Path="),
        ("[Script x]\nPath=/x\n[Script x]\nPath=", "1.conf:4:1: error: 'Path' in [Script x] is already set on line 2"),
        ("[Script x]\nPath=x.bt", "1.conf:2:6: error: Path: expected an absolute path, found 'x.bt'"),
        (
            "[Script x]\nPaht=/x.bt",
            "1.conf:2:1: error: unknown key 'Paht' in [Script x], did you mean 'Path'?"
        ),
        ("[ARP]\nPath=/x", "1.conf:2:1: error: unknown key 'Path' in [ARP], known in [Script <name>]"),
        (
            "[Script x]\nPath=/x\nKeyFields=saddr Dport",
            "1.conf:3:17: error: KeyFields: expected the key of a field: a lower-case letter, then at most 39 "
                + "lower-case letters, digits and underscores, found 'Dport'"
        ),
        (
            "[Script x]\nPath=/x\nKeyFields=ifname",
            "1.conf:3:11: error: KeyFields: 'ifname' always counts, expected other fields only"
        ),
        (
            "[Script x]\nPath=/x\nKeyFields=stack",
            "1.conf:3:11: error: KeyFields: 'stack' cannot tell reports apart"
        ),
        (
            "[Script x]\nPath=/x\nArguments=1 \(String(repeating: "y", count: 201))",
            "1.conf:3:13: error: Arguments: expected at most 200 bytes in a parameter, found "
                + "'\(String(repeating: "y", count: 60))...'"
        ),
        (
            "[Script x]\nPath=/x\nArguments=\(String(repeating: "y ", count: 17))",
            "1.conf:3:11: error: Arguments: expected at most 16 parameters"
        ),
    ])
    func everyProblemIsNamedWithItsPosition(text: String, problem: String) {
        #expect(errors(text) == [problem])
    }

    @Test(arguments: ["X", "1x", "-x", "x_y", "x y", "\u{e4}", "a\u{301}", String(repeating: "x", count: 41)])
    func aNameIsOneWord(name: String) throws {
        let problem = try #require(errors("[Script \(name)]").first)
        #expect(problem.hasPrefix("1.conf:1:1: error: expected the name of a script: a lower-case letter, "))
    }

    @Test(arguments: [
        "arp", "arp-mine", "gso", "gso-x", "tun", "tun-gso", "tun-x", "daemon", "daemon-started", "script", "arp-trace",
    ])
    func noNameOfOursIsTaken(name: String) {
        #expect(
            errors("[Script \(name)]") == [
                "1.conf:1:1: error: '\(name)' is a name of the daemon's own, choose another for the script"
            ])
    }

    @Test func namesThatOnlyResembleOursAreFree() throws {
        let names = ["arping", "gsox", "tunnel", "daemons", String(repeating: "x", count: 40), "a1-b"]
        for name in names { #expect(try configuration("[Script \(name)]\nPath=/x").scripts[0].name == name) }
    }

    @Test func rulesOfTwoScriptsCannotBeConfused() {
        #expect(
            errors("[Script tcp]\nPath=/x\n[Script tcp-storm]\nPath=/y\n[Script tcpx]\nPath=/z") == [
                "1.conf:3:1: error: rules of script 'tcp-storm' could be taken for those of [Script tcp]"
            ])
        #expect(errors("[Script tcp-storm]\nPath=/x\n[Script tcp]").count == 1)
    }

    @Test func scriptsAreCounted() throws {
        let sections = (0..<17).map { "[Script s\($0)]\nPath=/x\n" }
        #expect(try configuration(sections.dropLast().joined()).scripts.count == 16)
        #expect(errors(sections.joined()) == ["1.conf:33:1: error: expected at most 16 scripts"])
    }

    @Test func changesNameScriptsThatComeAndGo() throws {
        let old = try configuration("[Script a]\nPath=/a\n[Script b]\nPath=/b\nArguments=1")
        let new = try configuration("[Script c]\nPath=/c\nPriority=err\n[Script b]\nPath=/b\nArguments=2")
        #expect(
            old.changes(to: new) == [
                "[Script a] Path: /a -> not set",
                "[Script b] Arguments: 1 -> 2",
                "[Script c] Path: not set -> /c",
                "[Script c] Priority: not set -> err",
            ])
    }

    @Test func theOrderOfScriptsSaysNothing() throws {
        let one = try configuration("[Script a]\nPath=/a\n[Script b]\nPath=/b")
        let other = try configuration("[Script b]\nPath=/b\n[Script a]\nPath=/a")
        #expect(one == other && one.changes(to: other).isEmpty)
    }
}
