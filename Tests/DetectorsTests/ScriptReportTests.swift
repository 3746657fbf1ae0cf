import AnomalyModel
import Detectors
import Testing

/// What a text says, as `key=value` of all that is told.
private func told(_ text: String) throws -> [String] {
    let report = try #require(try ScriptReport(text: Array(text.utf8)))
    return told(report)
}

private func told(_ report: ScriptReport) -> [String] {
    let known: [(String, String?)] = [
        ("rule", report.rule), ("priority", report.priority?.word), ("message", report.message),
        ("ifname", report.interfaceName), ("ifindex", report.interfaceIndex == 0 ? nil : "\(report.interfaceIndex)"),
        ("netns", report.networkNamespace == 0 ? nil : "\(report.networkNamespace)"),
        ("pid", report.pid == 0 ? nil : "\(report.pid)"), ("comm", report.command.isEmpty ? nil : report.command),
        ("boottime_ns", report.boottimeNanoseconds.map(String.init)),
    ]
    return known.compactMap { key, value in value.map { "\(key)=\($0)" } }
        + report.facts.map { "\($0.key)=\($0.value)" } + report.frames.map { "frame=\($0)" }
}

private func problem(_ text: String) -> String? {
    do {
        _ = try ScriptReport(text: Array(text.utf8))
        return nil
    } catch {
        return error.description
    }
}

@Suite struct ScriptReportTests {
    private let everyReservedKey = [
        "rule=tcp-slow", "priority=warning", "message=It is slow.", "ifname=eth0", "ifindex=2", "netns=4026531840",
        "pid=7", "comm=a b", "boottime_ns=18446744073709551615",
    ]

    @Test func pairsAreRead() throws {
        let text = #"""
            rule=tcp-slow priority=4 message="It is slow." ifname=eth0 ifindex=2  netns=4026531840
             pid=7 comm="a b"	boottime_ns=18446744073709551615 x=1 y_2=a=b z="\"q\" \\ \n" stack=
                    tcp_retransmit_skb+12
                    call_timer_fn+33

            """#
        #expect(
            try told(text) == everyReservedKey + [
                "x=1", "y_2=a=b", #"z="q" \\ \\n"#, "frame=tcp_retransmit_skb+12", "frame=call_timer_fn+33",
            ])
    }

    @Test func aJSONObjectIsRead() throws {
        let text = #"""
            {"rule":"tcp-slow", "priority" : "warning", "message":"It is slow.", "ifname":"eth0", "ifindex":2,
             "netns":4026531840, "pid":7, "comm":"a b", "boottime_ns":18446744073709551615, "x":-1.5e3, "yes":true,
             "none":null, "empty":"", "u":"\u00e9\ud83d\ude00\ud800", "v":"\/\"\\", "z":"\u0000",
             "stack":"\n        f+1\n\tg+2\n"}
            """# + "\n"
        #expect(
            try told(text) == everyReservedKey + [
                "x=-1.5e3", "yes=true", "u=é😀\u{fffd}", "v=/\"\\\\", "frame=f+1", "frame=g+2",
            ])
        #expect(try told("{ }\n") == [])
    }

    @Test func aTupleIsRead() throws {
        let tuple = everyReservedKey.flatMap { $0.split(separator: "=", maxSplits: 1).map(String.init) }
        let report = try ScriptReport(tuple: tuple + ["x", "-1", "gone", "", "stack", "\n        f+1\n"])
        #expect(told(report) == everyReservedKey + ["x=-1", "frame=f+1"])
        for tuple in [[], ["x"], ["x", "1", "y"]] {
            let thrown = #expect(throws: UnreadableReport.self) { try ScriptReport(tuple: tuple) }
            #expect(thrown?.description == "expected keys and values in turn, found a tuple of \(tuple.count)")
        }
    }

    @Test(arguments: ["", " \n", "# Tracing ... Hit Ctrl-C to end.\n", "  #x=1"])
    func whatIsForPeopleIsNoReport(text: String) throws {
        #expect(try ScriptReport(text: Array(text.utf8)) == nil)
    }

    @Test func anEmptyValueIsAbsent() throws {
        #expect(try told("rule= ifname=\"\" pid= x= y=1") == ["y=1"])
    }

    @Test(arguments: [
        ("hello", "expected key=value, found 'hello'"),
        ("x=1 b c=2", "expected key=value, found 'b'"),
        ("x=1 x=2", "key 'x' comes twice"),
        ("rule=a rule=", "key 'rule' comes twice"),
        ("X=1", "expected a key of at most 40 lower-case letters, digits and underscores, found 'X'"),
        ("=1", "expected a key of at most 40 lower-case letters, digits and underscores, found ''"),
        ("1x=1", "expected a key of at most 40 lower-case letters, digits and underscores, found '1x'"),
        ("a\u{1b}=1", "expected a key of at most 40 lower-case letters, digits and underscores, found 'a\\x1b'"),
        ("x=\"1", "the quoted value of 'x' has no end"),
        ("x=\"1\"y=2", "expected a blank after the quoted value of 'x'"),
        ("pid=-1", "expected a number for 'pid', found '-1'"),
        ("ifindex=4294967296", "expected a number for 'ifindex', found '4294967296'"),
        ("priority=8", "expected a priority, found '8'"),
        ("priority=critical", "expected a priority, found 'critical'"),
        ("{", "expected '\"' in JSON, found the end"),
        ("{\"x\":{}}", "expected a string, number or boolean for 'x', found '{'"),
        ("{\"x\":[1]}", "expected a string, number or boolean for 'x', found '[1]'"),
        ("{\"x\":1,}", "expected '\"' in JSON, found '}'"),
        ("{\"x\":1} y", "expected nothing after the JSON object"),
        ("{\"x\":\"\\q\"}", "expected an escape of JSON after '\\', found 'q'"),
        ("{\"x\":\"\\", "expected more after '\\' in JSON"),
        ("{\"x\":\"\\u12\"}", "expected four hex digits after '\\u'"),
    ])
    func whatIsNoReportIsSaid(text: String, sentence: String) {
        #expect(problem(text) == sentence)
    }

    @Test func sizesAreBounded() throws {
        let key = String(repeating: "k", count: 40)
        #expect(problem("\(key)=1") == nil && problem("\(key)k=1")?.hasPrefix("expected a key of at most 40") == true)
        let value = String(repeating: "v", count: 1024)
        #expect(problem("x=\(value)") == nil && problem("x=\(value)v") == "the value of 'x' is longer than 1024 bytes")
        let facts = (0..<32).map { "x\($0)=1" }.joined(separator: " ")
        #expect(problem(facts + " pid=1") == nil)
        #expect(problem(facts + " y=1") == "more than 32 fields of its own")
        let stack = String(repeating: "\n" + String(repeating: "f", count: 200), count: 200)
        let frames = try #require(try ScriptReport(text: Array("stack=\(stack)".utf8))).frames
        #expect(frames.count == 127 && frames.allSatisfy { $0.utf8.count == 128 })
    }

    /// What bpftrace 0.17 and 0.23 alike have printed of real traffic.
    @Test func theExampleScriptsPrintReports() throws {
        let storm = try told(
            "kind=data peer=[fd09::2]:5201 retransmits=100 seconds=10 netns=4026532177 boottime_ns=25341860094612 "
                + "message=\"100 TCP segments sent again to fd09::2 port 5201 within 10 s\"\n")
        #expect(
            storm == [
                "message=100 TCP segments sent again to fd09::2 port 5201 within 10 s", "netns=4026532177",
                "boottime_ns=25341860094612", "kind=data", "peer=[fd09::2]:5201", "retransmits=100", "seconds=10",
            ])
        let drops = try told(
            "reason=TCP_OLD_DATA location=tcp_rcv_established packets=100 seconds=10 reason_number=33 ifname=\"\" "
                + "ifindex=0 netns=0 boottime_ns=25176252473554 message=\"100 packets dropped\"\n")
        #expect(
            drops == [
                "message=100 packets dropped", "boottime_ns=25176252473554", "reason=TCP_OLD_DATA",
                "location=tcp_rcv_established", "packets=100", "seconds=10", "reason_number=33",
            ])
        let tuple = try ScriptReport(tuple: ["rule", "tcp-storm", "saddr", "127.0.0.1", "q", "a\"b\\c\nd\u{1}"])
        #expect(told(tuple) == ["rule=tcp-storm", "saddr=127.0.0.1", "q=a\"b\\\\c\\x0ad\\x01"])
    }

    @Test func textsOfOthersAreMadeSafe() throws {
        let text = Array("comm=\"a\u{1b}[31m\" x=".utf8) + [0xff, 0xc3] + Array(" stack= a\u{7}\n".utf8)
        let report = try #require(try ScriptReport(text: text))
        #expect(told(report) == ["comm=a\\x1b[31m", "x=\\xff\\xc3", "frame=a\\x07"])
    }
}
