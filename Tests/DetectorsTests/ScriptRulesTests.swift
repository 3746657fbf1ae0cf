import AnomalyModel
import DaemonConfig
import Detectors
import Testing

@Suite struct ScriptRulesTests {
    private func report(_ text: String) throws -> ScriptReport {
        try #require(try ScriptReport(text: Array(text.utf8)))
    }

    /// The anomalies of some texts, one after the other.
    private func anomalies(
        _ texts: String..., name: String = "tcp", keyFields: [String]? = nil, now: UInt64 = 1000
    ) throws -> [Anomaly] {
        var rules = ScriptRules(name: name, priority: .notice, keyFields: keyFields)
        return try texts.map { try rules.anomaly(try report($0), now: now) }
    }

    private func isSame(_ one: String, _ other: String, keyFields: [String]? = nil) throws -> Bool {
        let keys = try anomalies(one, other, keyFields: keyFields).map(\.key)
        return keys[0] == keys[1]
    }

    @Test func aReportBecomesAnAnomaly() throws {
        let anomaly = try anomalies(
            "rule=tcp-storm priority=err ifname=eth0 ifindex=2 netns=77 pid=9 comm=curl daddr=192.0.2.1 "
                + "retransmits=57 boottime_ns=900 stack=\n a+1\n b+2\n")[0]
        #expect(anomaly.rule.name.text == "tcp-storm" && anomaly.rule.detector.text == "script")
        #expect(anomaly.priority == .error && anomaly.kind == .event)
        #expect(anomaly.message == "tcp-storm on eth0: daddr 192.0.2.1, retransmits 57")
        #expect(anomaly.probe == "bpftrace:tcp" && anomaly.interfaceName == "eth0")
        #expect(anomaly.key.interfaceIndex == 2 && anomaly.key.networkNamespace == 77)
        #expect(anomaly.pid == 9 && anomaly.command == "curl" && anomaly.frames == ["a+1", "b+2"])
        let times = [
            anomaly.boottimeNanoseconds, anomaly.firstBoottimeNanoseconds, anomaly.lastBoottimeNanoseconds,
        ]
        #expect(times == [900, 900, 900])
        #expect(anomaly.fieldLines == ["SCRIPT_DADDR=192.0.2.1", "SCRIPT_RETRANSMITS=57"])
    }

    @Test func whatIsNotSaidHasADefault() throws {
        let anomaly = try anomalies("x=1")[0]
        #expect(anomaly.rule.name.text == "tcp" && anomaly.priority == .notice && anomaly.message == "tcp: x 1")
        #expect(anomaly.boottimeNanoseconds == 1000 && anomaly.interfaceName == nil && anomaly.frames.isEmpty)
        #expect(try anomalies("message=\"So it is\"")[0].message == "So it is")
        #expect(try anomalies("rule=tcp-x")[0].message == "tcp-x")
    }

    @Test func aTimeToComeIsNow() throws {
        #expect(try anomalies("boottime_ns=1001")[0].boottimeNanoseconds == 1000)
        #expect(try anomalies("boottime_ns=18446744073709551615", now: 7)[0].lastBoottimeNanoseconds == 7)
    }

    @Test(arguments: ["rule=udp", "rule=tcp2", "rule=arp-scan", "rule=tcp-A", "rule=tcp_x", "rule=\"tcp- x\""])
    func aRuleIsTheScriptsOwn(text: String) throws {
        let thrown = #expect(throws: UnreadableReport.self) { try anomalies(text) }
        #expect(thrown?.description.hasPrefix("expected rule 'tcp' or 'tcp-...' in lower-case letters") == true)
    }

    @Test func rulesAreCounted() throws {
        var rules = ScriptRules(name: "tcp", priority: .notice, keyFields: nil)
        for number in 0..<32 { _ = try rules.anomaly(try report("rule=tcp-\(number)"), now: 0) }
        let thrown = #expect(throws: UnreadableReport.self) { try rules.anomaly(try report("rule=tcp-32"), now: 0) }
        #expect(thrown?.description == "rule 'tcp-32' would be one more than 32")
        _ = try rules.anomaly(try report("rule=tcp-0"), now: 0)
        #expect(rules.rules.count == 32)
        #expect(throws: UnreadableReport.self) {
            try anomalies("rule=tcp-\(String(repeating: "x", count: 77))")
        }
    }

    @Test func messageIDsAreNameBasedUUIDsAndNoneOfOurs() throws {
        // python3: uuid.uuid5(uuid.UUID("ead9b351-d0b2-4508-beb2-ce5a9c54f73d"), NAME).hex
        let known = [
            "tcp-storm": "cb3cf38a37375759b31f12c4ae58932a",
            "drops": "bde2fa1c3bdc55209a7a27b1b3f156f9",
            String(repeating: "x", count: 40): "087b868848c85c9db2ef5a9008ae7ca3",
            String(repeating: "x", count: 48): "908cc8af6ccf5e86aa7905e31115ecd2",
        ]
        for (name, id) in known { #expect(try anomalies("x=1", name: name)[0].rule.messageID.text == id, "\(name)") }
        #expect(!allRules.contains { Array($0.messageID.text)[12] == "5" })
    }

    // MARK: What makes two reports the same

    @Test func factsThatAreTextTellReportsApart() throws {
        #expect(try isSame("saddr=::1 n=57 pid=1 comm=a message=x", "saddr=::1 n=58 pid=2 comm=b message=y"))
        #expect(try !isSame("daddr=192.0.2.1", "daddr=192.0.2.2"))
        #expect(try !isSame("rule=tcp-x", "rule=tcp"))
        #expect(try !isSame("ifname=eth0", "ifname=eth1"))
        #expect(try !isSame("ifindex=1", "ifindex=2"))
        #expect(try !isSame("netns=1", "netns=2"))
        #expect(try !isSame("a=x", "b=x"))
        #expect(try !isSame("a=x b=y", "a=x"))
        #expect(try !isSame("ifname=a b=c", "ifname=ab c=x"))
    }

    @Test(arguments: ["0", "-1", "1.5", "0xffff888100000000", "-0.25", "18446744073709551616"])
    func numbersAreWhatFormatsPrint(text: String) throws { #expect(try isSame("x=\(text)", "x=7")) }

    @Test(arguments: ["10.0.0.1", "::1", "0x", "0xg", "-", "1.", ".5", "1e3", "02:00:00:00:00:01", "+1", "ab"])
    func anythingElseIsText(text: String) throws { #expect(try !isSame("x=\(text)", "x=7")) }

    @Test func keyFieldsTakeThePlaceOfThat() throws {
        let keys = ["dport", "comm"]
        #expect(try isSame("dport=80 daddr=192.0.2.1", "dport=80 daddr=192.0.2.2", keyFields: keys))
        #expect(try !isSame("dport=80", "dport=81", keyFields: keys))
        #expect(try !isSame("dport=80", "x=1", keyFields: keys))
        #expect(try !isSame("comm=a pid=1", "comm=b pid=1", keyFields: keys))
        #expect(try isSame("comm=a pid=1", "comm=a pid=2", keyFields: keys))
        #expect(try !isSame("pid=1", "pid=2", keyFields: ["pid"]))
        #expect(try !isSame("ifname=eth0", "ifname=eth1", keyFields: keys))
    }

    @Test func aLongListOfFactsIsCutInTheSentenceOnly() throws {
        let facts = (0..<32).map { "key\($0)=\(String(repeating: "v", count: 40))" }.joined(separator: " ")
        let anomaly = try anomalies(facts)[0]
        #expect(anomaly.message.utf8.count < 520 && anomaly.message.hasSuffix(", ..."))
        #expect(anomaly.fields.count == 32)
    }

    // MARK: What the configuration has to know of it

    @Test func theConfigurationKnowsTheReservedKeys() throws {
        for key in ["rule", "priority", "message", "ifname", "ifindex", "netns", "boottime_ns", "stack"] {
            #expect(throws: ConfigurationErrors.self, "\(key)") { try configuration(keyFields: key) }
        }
        #expect(try configuration(keyFields: "pid comm saddr").scripts[0].keyFields == ["pid", "comm", "saddr"])
        #expect(ScriptSettings.maximumKeyFields == ScriptReport.maximumFacts)
    }

    private func configuration(keyFields: String) throws -> Configuration {
        let text = "[Script x]\nPath=/x\nKeyFields=\(keyFields)"
        return try Configuration(
            sources: [ConfigurationSource(path: "x.conf", bytes: Array(text.utf8))], rules: allRules)
    }

    @Test func noScriptCanBeNamedAsARuleOfOurs() {
        for name in allRules.map(\.name.text) + allDetectors.map({ $0.name.text }) + [ScriptRules.detector.text] {
            let source = ConfigurationSource(path: "x.conf", bytes: Array("[Script \(name)]\nPath=/x".utf8))
            #expect(throws: ConfigurationErrors.self, "\(name)") {
                try Configuration(sources: [source], rules: allRules)
            }
        }
    }
}
