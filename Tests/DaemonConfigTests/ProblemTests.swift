import DaemonConfig
import Testing

@Suite struct ProblemTests {
    @Test(arguments: [
        // Lines that are no statement.
        ("[Limits", "1.conf:1:8: error: expected ']' at the end of the section header"),
        ("  [Limits] x", "1.conf:1:11: error: expected nothing after ']'"),
        ("[ARP]]", "1.conf:1:6: error: expected nothing after ']'"),
        ("[]", "1.conf:1:1: error: expected a name between '[' and ']'"),
        ("[Limits]\nMaxKeys 5", "1.conf:2:1: error: expected 'Key=value' or '[Section]', found 'MaxKeys 5'"),
        ("[Limits]\n =5", "1.conf:2:2: error: expected a key before '='"),
        ("[Limits]\nMaxKeys=5\u{0}", "1.conf:2:10: error: unexpected NUL byte"),
        // Statements of several lines.
        (
            "[Limits]\nMaxKeys=\\\n# no\n  x",
            "1.conf:4:3: error: MaxKeys: expected a whole number from 16 to 1048576, found 'x'"
        ),
        ("[Limits]\nMaxKeys=16\\\n\u{0}", "1.conf:3:1: error: unexpected NUL byte"),
        (
            "[Limits]\nMaxKeys=16\nMax\\\nKeys=5",
            "1.conf:3:1: error: unknown key 'Max Keys' in [Limits], did you mean 'MaxKeys'?"
        ),
        (
            "[Limits]\nMaxKeys=16\\ ",
            "1.conf:2:9: error: MaxKeys: expected a whole number from 16 to 1048576, found '16\\\\'"
        ),
        (
            "[Limits]\nMaxKeys=\\\n\\\n16\nMaxKeys=17",
            "1.conf:5:1: error: 'MaxKeys' in [Limits] is already set on line 2"
        ),
        // Names.
        ("MaxKeys=16", "1.conf:1:1: error: key 'MaxKeys' stands before the first [Section]"),
        ("[Limit]", "1.conf:1:1: error: unknown section 'Limit', did you mean 'Limits'?"),
        ("[limits]", "1.conf:1:1: error: unknown section 'limits', did you mean 'Limits'?"),
        ("[Rules arp-trace]", "1.conf:1:1: error: unknown section 'Rules', did you mean 'Rule'?"),
        ("[Passwords]", "1.conf:1:1: error: unknown section 'Passwords'"),
        ("[arp-trace]", "1.conf:1:1: error: unknown section 'arp-trace', did you mean 'Rule arp-trace'?"),
        ("[Rule]", "1.conf:1:1: error: section [Rule] needs the name of a rule, as in [Rule arp-malformed]"),
        ("[ARP eth0]", "1.conf:1:1: error: section [ARP] takes no name, found 'eth0'"),
        ("[Rule arp-malfromed]", "1.conf:1:1: error: unknown rule 'arp-malfromed', did you mean 'arp-malformed'?"),
        ("[Rule x]", "1.conf:1:1: error: unknown rule 'x'"),
        (
            "[Limits]\n  Intervall=5",
            "1.conf:2:3: error: unknown key 'Intervall' in [Limits], did you mean 'DedupIntervalSec'?"
        ),
        ("[Limits]\nColour=5", "1.conf:2:1: error: unknown key 'Colour' in [Limits]"),
        ("[Daemon]\nMaxKeys=16", "1.conf:2:1: error: unknown key 'MaxKeys' in [Daemon], known in [Limits]"),
        (
            "[Daemon]\nEnabled=no",
            "1.conf:2:1: error: unknown key 'Enabled' in [Daemon], known in [ARP], [TunGSO], [Script <name>], [Rule <name>]"
        ),
        (
            "[Rule arp-trace]\nMinSegmentBytes=9",
            "1.conf:2:1: error: unknown key 'MinSegmentBytes' in [Rule arp-trace], known in [Rule gso-tiny-size]"
        ),
        (
            "[ARP]\nEnabled=no\n[ARP]\nEnabled=no",
            "1.conf:4:1: error: 'Enabled' in [ARP] is already set on line 2"
        ),
        // Values.
        ("[ARP]\nEnabled = maybe", "1.conf:2:11: error: Enabled: expected yes or no, found 'maybe'"),
        ("[ARP]\nEnabled=yes # or no", "1.conf:2:9: error: Enabled: expected yes or no, found 'yes # or no'"),
        (
            "[Limits]\nMaxKeys=15",
            "1.conf:2:9: error: MaxKeys: expected a whole number from 16 to 1048576, found '15'"
        ),
        (
            "[Limits]\nMaxKeys=+16",
            "1.conf:2:9: error: MaxKeys: expected a whole number from 16 to 1048576, found '+16'"
        ),
        (
            "[Limits]\nRateLimitBurst=4294967296",
            "1.conf:2:16: error: RateLimitBurst: expected a whole number from 1 to 100000, found '4294967296'"
        ),
        (
            "[Limits]\nMaxMemory=1023",
            "1.conf:2:11: error: MaxMemory: expected a whole number from 1024 to 1048576, found '1023'"
        ),
        (
            "[Rule gso-tiny-size]\nMinSegmentBytes=7",
            "1.conf:2:17: error: MinSegmentBytes: expected a whole number from 8 to 1500, found '7'"
        ),
        (
            "[Limits]\nDedupIntervalSec=25h",
            "1.conf:2:18: error: DedupIntervalSec: expected a time span from 0 to 1d, found '25h'"
        ),
        (
            "[Limits]\nDedupIntervalSec=soon",
            "1.conf:2:18: error: DedupIntervalSec: expected a time span from 0 to 1d, found 'soon'"
        ),
        (
            "[Limits]\nDedupIntervalSec=5 sek",
            "1.conf:2:18: error: DedupIntervalSec: unknown unit 'sek' in '5 sek', did you mean 'sec'?"
        ),
        (
            "[Limits]\nRateLimitIntervalSec=0",
            "1.conf:2:22: error: RateLimitIntervalSec: expected a time span from 1ms to 1h, found '0'"
        ),
        (
            "[Daemon]\nAccountingIntervalSec=10ms",
            "1.conf:2:23: error: AccountingIntervalSec: expected 0 or a time span from 1s to 365d, found '10ms'"
        ),
        (
            "[Daemon]\nBackend=libpbf",
            "1.conf:2:9: error: Backend: expected auto, libbpf, bpftrace, found 'libpbf', did you mean 'libbpf'?"
        ),
        (
            "[Daemon]\nBpftracePath=bpftrace",
            "1.conf:2:14: error: BpftracePath: expected an absolute path, found 'bpftrace'"
        ),
        (
            "[Metrics]\nTextFile=x.prom",
            "1.conf:2:10: error: TextFile: expected an absolute path, found 'x.prom'"
        ),
        (
            "[Metrics]\nTextFile=/x/netanomalyd.txt",
            "1.conf:2:10: error: TextFile: expected the path of a file that ends in .prom, found '/x/netanomalyd.txt'"
        ),
        (
            "[Metrics]\nIntervalSec=0",
            "1.conf:2:13: error: IntervalSec: expected a time span from 1s to 1h, found '0'"
        ),
        (
            "[Rule arp-trace]\nPriority=critical",
            "1.conf:2:10: error: Priority: expected emerg, alert, crit, err, warning, notice, info, debug or 0 to 7, "
                + "found 'critical', did you mean 'crit'?"
        ),
        ("[ARP]\nEnabled=\u{1b}[31m", "1.conf:2:9: error: Enabled: expected yes or no, found '\\x1b[31m'"),
        ("[ARP]\n\u{7f}=1", "1.conf:2:1: error: unknown key '\\x7f' in [ARP]"),
    ])
    func everyProblemIsNamedWithItsPosition(text: String, problem: String) {
        #expect(errors(text) == [problem])
    }

    @Test func bytesThatAreNotUTF8AreNamedByPosition() {
        let text = Array("# \u{e9}\n[ARP]\r\nEnabled=".utf8) + [0xc3, 0x28, 0x0a] + Array("# ".utf8) + [0xff]
        #expect(errors([text]) == ["1.conf:3:9: error: not valid UTF-8", "1.conf:4:3: error: not valid UTF-8"])
    }

    @Test func allProblemsOfAllFilesAreReportedInOrder() {
        #expect(
            errors("MaxKeys=1\n[Limits]\nMaxKeys=2\nx\n", "[Limits]\nMaxKeys=17", "[ARP]\nEnabled=2\n[Rule y]\nz=1")
                == [
                    "1.conf:1:1: error: key 'MaxKeys' stands before the first [Section]",
                    "1.conf:3:9: error: MaxKeys: expected a whole number from 16 to 1048576, found '2'",
                    "1.conf:4:1: error: expected 'Key=value' or '[Section]', found 'x'",
                    "3.conf:2:9: error: Enabled: expected yes or no, found '2'",
                    "3.conf:3:1: error: unknown rule 'y'",
                ])
    }

    @Test func keysUnderABadHeaderAreNotReportedAgain() {
        #expect(errors("[ARP]\n[Limits\nMaxKeys=1\nfoo=2\n[Nowhere]\nbar=1\n").count == 2)
    }

    @Test func aBadValueIsReportedOnceWhenItsKeyComesTwice() {
        #expect(
            errors("[Limits]\nMaxKeys=x\nMaxKeys=y") == [
                "1.conf:2:9: error: MaxKeys: expected a whole number from 16 to 1048576, found 'x'",
                "1.conf:3:1: error: 'MaxKeys' in [Limits] is already set on line 2",
            ])
    }

    @Test func onlyTheFirstHundredProblemsAreListed() throws {
        let lines = errors(String(repeating: "x\n", count: 150))
        #expect(lines.count == 101)
        #expect(lines[99] == "1.conf:100:1: error: expected 'Key=value' or '[Section]', found 'x'")
        #expect(lines[100] == "and 50 more")
        #expect(errors(String(repeating: "x\n", count: 100)).count == 100)
    }

    @Test func aProblemKeepsItsPartsApart() throws {
        let thrown = #expect(throws: ConfigurationErrors.self) { try configuration("", "[ARP]\n Enabled=x") }
        let problem = try #require(thrown?.problems.first)
        #expect(problem.file == "2.conf" && problem.line == 2 && problem.column == 10)
        #expect(problem.text == "Enabled: expected yes or no, found 'x'")
        #expect(thrown?.problems.count == 1 && thrown?.omitted == 0)
    }
}
