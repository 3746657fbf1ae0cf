import Testing

@testable import NetAnomalyControl

@Suite struct StatusViewTests {
    private static let silent = account(seen: 0)

    private static func account(enabled: Bool = true, seen: Int, _ parts: String = "") -> String {
        let keys = [
            "written", "deduplicated", "limited", "overflow", "lost_ring", "lost_journal", "pending", "trusted",
        ]
        let given = parts.split(separator: " ").map { $0.split(separator: "=") }
        let values = keys.map { key in "\"\(key)\":\(given.first { $0[0] == key }?[1] ?? "0")" }
        return "{\"enabled\":\(enabled),\"seen\":\(seen),\(values.joined(separator: ","))}"
    }

    private static func detector(
        _ name: String, enabled: Bool = true, running: Bool = true, problem: String? = nil, undecodable: Int = 0,
        forgotten: Int = 0, probes: String = ""
    ) -> String {
        let told = problem.map { "\"problem\":\"\($0)\"," } ?? ""
        return "{\"name\":\"\(name)\",\"backend\":\"libbpf\",\"enabled\":\(enabled),\"running\":\(running),\(told)"
            + "\"keys\":0,\"missed\":0,\"undecodable\":\(undecodable),\"forgotten\":\(forgotten),"
            + "\"kernel_memory_bytes\":1540000,\"probes\":[\(probes)]}"
    }

    /// A detector or a script under bpftrace, which tells nothing of the kernel's memory.
    private static func scripted(
        _ name: String, state: String = "running", counts: String = "", problem: String? = nil, unreadable: Int? = nil,
        probes: String = ""
    ) -> String {
        let given = counts.split(separator: " ").map { $0.split(separator: "=") }
        let keys = ["received", "lost", "unaccounted", "oversized", "unreadable", "helper_errors", "restarts"]
        let values = keys.map { key in "\"\(key)\":\(given.first { $0[0] == key }?[1] ?? "0")" }
        let told = problem.map { "\"problem\":\"\($0)\"," } ?? ""
        let own =
            unreadable.map { "\"path\":\"/x.bt\",\"unreadable_reports\":\($0)," }
            ?? "\"undecodable\":0,\"forgotten\":0,"
        return
            "{\"name\":\"\(name)\",\"backend\":\"bpftrace\",\"enabled\":true,\"running\":\(state == "running"),\(told)"
            + "\(own)\"bpftrace\":{\"state\":\"\(state)\",\"pid\":7,\(values.joined(separator: ","))},\"probes\":[\(probes)]}"
    }

    private static let attached = "{\"probe\":\"tp_btf:neigh_update\",\"attached\":true,\"rules\":[]}"

    private static func status(
        state: String = "watching", reloadProblem: String = "", rules: String, detectors: String, output: String = "",
        configuration: String = ""
    ) throws(ControlFailure) -> Status {
        try Status(
            json: """
                {"version":"0.1.0","state":"\(state)","backend":"libbpf","started_boottime_ns":5000000000,
                 "next_seq":9,"names_frames":true,\(reloadProblem)"rules":{\(rules)},"detectors":[\(detectors)],
                 "output":{"kind":"journal","waiting":3,\(output)"lost":{"queue-full":0}},
                 "configuration":[\(configuration)]}
                """)
    }

    private static func view(_ status: Status, after seconds: UInt64, isColoured: Bool = false) -> String {
        StatusView(status, nowNanoseconds: (5 + seconds) * 1_000_000_000, isColoured: isColoured).text
    }

    @Test func `a healthy daemon takes four lines`() throws {
        let status = try Self.status(
            rules: "\"a\":\(Self.silent),\"b\":\(Self.silent)", detectors: Self.detector("arp", probes: Self.attached),
            configuration: #"{"section":"Limits","key":"MaxKeys","value":"8192","origin":"default"}"#)
        #expect(
            Self.view(status, after: 59) == """
                netanomalyd 0.1.0: watching for 59 s, 1 of 1 probes (libbpf), output journal, 1.5 MB of kernel memory

                2 rules have seen nothing

                configuration: all defaults

                """)
    }

    @Test func `a degraded daemon says what is not watched and why`() throws {
        let failed =
            #"{"probe":"tp_btf:neigh_update","attached":false,"reason":"no hook","not_watched":"changes","rules":["a"]}"#
        let status = try Self.status(
            state: "degraded", reloadProblem: "\"reload_problem\":\"f:1:2: error: x\",",
            rules: "\"a\":\(Self.silent),\"b\":\(Self.account(enabled: false, seen: 0))",
            detectors: [
                Self.detector("arp", undecodable: 2, forgotten: 40, probes: "\(Self.attached),\(failed)"),
                Self.detector("tun-gso", running: false, problem: "no program"),
                Self.detector("off", enabled: false, running: false, problem: "not shown"),
            ].joined(separator: ","),
            output: "\"unreachable\":\"Connection refused\",",
            configuration: #"{"section":"Limits","key":"MaxKeys","value":"64","origin":"/etc/n.conf:2"}"#)
        #expect(
            Self.view(status, after: 3 * 3600 + 240) == """
                netanomalyd 0.1.0: degraded for 3 h 4 min, 1 of 2 probes (libbpf), output journal, 4.6 MB of kernel memory
                  ! running with the old configuration: f:1:2: error: x
                  ! the output is away (Connection refused), 3 entries wait
                  ! changes is not watched: no hook
                  ! arp: 2 records could not be decoded, please report this
                  ! arp: 40 memories were given up before their time, see MaxMemory= in netanomaly.conf(5)
                  ! tun-gso: no program

                1 rules have seen nothing; off: b

                configuration, where it differs from the defaults:
                  [Limits] MaxKeys=64  /etc/n.conf:2

                """)
    }

    @Test func `a healthy bpftrace is not spoken of`() throws {
        let status = try Self.status(
            rules: "\"a\":\(Self.silent)",
            detectors: [
                Self.scripted("arp", counts: "received=100 helper_errors=3", probes: Self.attached),
                Self.scripted("script tcp", counts: "received=5", unreadable: 0),
            ].joined(separator: ","))
        #expect(
            Self.view(status, after: 59).hasPrefix(
                "netanomalyd 0.1.0: watching for 59 s, 1 of 1 probes (libbpf), output journal\n\n1 rules have seen"))
        #expect(status.detectors.map(\.backend) == ["bpftrace", "bpftrace"])
        #expect(status.detectors.map { $0.bpftrace?.received } == [100, 5] && status.detectors[1].keys == nil)
    }

    @Test func `a child says what it is about, what it lost and how often it was started`() throws {
        let status = try Self.status(
            state: "degraded", rules: "\"a\":\(Self.silent)",
            detectors: [
                Self.scripted(
                    "arp", state: "waiting", counts: "lost=1 unaccounted=2 oversized=3 unreadable=4 restarts=5"),
                Self.scripted("tun-gso", state: "broken", problem: "no bpftrace"),
                Self.scripted("script tcp", unreadable: 6),
            ].joined(separator: ","))
        #expect(
            Self.view(status, after: 1).split(separator: "\n").filter { $0.hasPrefix("  ! ") } == [
                "  ! arp: bpftrace is waiting", "  ! arp: 10 lines of bpftrace were lost before they were judged",
                "  ! arp: bpftrace was started again 5 times", "  ! tun-gso: no bpftrace",
                "  ! script tcp: 6 lines are no reports, see netanomaly-script(7)",
            ])
    }

    @Test func `a flooded daemon shows where every event went`() throws {
        let flood = Self.account(
            seen: 1_000_000,
            "written=20 deduplicated=999000 limited=900 overflow=50 lost_ring=20 lost_journal=7 pending=3")
        let status = try Self.status(
            rules: "\"gso-tiny-size\":\(Self.account(seen: 2, "written=2")),\"arp-malformed\":\(flood)",
            detectors: Self.detector("arp", probes: Self.attached))
        #expect(
            Self.view(status, after: 86400 * 2 + 3600) == """
                netanomalyd 0.1.0: watching for 2 d 1 h, 1 of 1 probes (libbpf), output journal, 1.5 MB of kernel memory

                rule              seen  written  deduplicated  limited  overflow  lost  pending
                arp-malformed  1000000       20        999000      900        50    27        3
                gso-tiny-size        2        2             0        0         0     0        0
                0 rules have seen nothing

                configuration: all defaults

                """)
        #expect(status.rules["arp-malformed"]?.lost == 77)
    }

    @Test func `what is trusted is told apart from what was seen`() throws {
        let status = try Self.status(
            rules: [
                "\"a\":\(Self.account(seen: 0, "trusted=7"))", "\"b\":\(Self.account(seen: 1, "written=1"))",
                "\"c\":\(Self.account(seen: 2, "written=2 trusted=1"))",
            ].joined(separator: ","),
            detectors: Self.detector("arp", probes: Self.attached))
        #expect(Self.view(status, after: 1).contains("\n1 rules have seen nothing\nexcused by [Trust]: a 7, c 1\n\n"))
    }

    @Test func `colour changes nothing but the colour`() throws {
        let status = try Self.status(
            state: "degraded", rules: "\"a\":\(Self.account(seen: 1, "written=1"))",
            detectors: Self.detector("arp", running: false, problem: "no program"),
            configuration: #"{"section":"Limits","key":"MaxKeys","value":"64","origin":"f:2"}"#)
        let coloured = Self.view(status, after: 60, isColoured: true)
        let plain = coloured.replacing(#/\x{1b}\[[0-9;]*m/#, with: "")
        #expect(coloured != plain && plain == Self.view(status, after: 60))
        #expect(!plain.contains("\u{1b}") && plain.contains("degraded for 1 min"))
    }

    @Test(arguments: ["", "{}", "error\nunknown request", "[1,2"])
    func `a report of another version is refused in words`(text: String) {
        let error = #expect(throws: ControlFailure.self) { try Status(json: text) }
        #expect(error?.description.hasPrefix("The daemon's status report is not of this version: ") == true)
        #expect(error?.isPermission == false)
    }
}
