import AnomalyModel
import NetAnomalyDaemon
import Testing
import TracingBackends

@testable import SelfTest

@Suite struct ReportTests {
    private static let seen = ReportRow(
        rule: "arp-scan", means: "many requests", outcome: .seen(hook: "tp_btf:x", afterNanoseconds: 38_400))
    private static let all = [
        seen,
        ReportRow(rule: "arp-trace", means: "any ARP", outcome: .notSeen),
        ReportRow(rule: "arp-dropped", means: nil, outcome: .blind(reason: "no tracepoint")),
        ReportRow(rule: "gso-ufo", means: nil, outcome: .notMade(reason: "harm")),
        ReportRow(rule: "gso-trace", means: "any", outcome: .failed(reason: "cannot \"write\"")),
    ]
    private static let probe = Probe(program: "on_x", hook: "x", lossWithout: "received ARP", rules: [])

    private func report(_ rows: [ReportRow], _ states: ProbeState...) -> Report {
        Report(rows: rows, probes: states.map { (Self.probe, $0) })
    }

    @Test func `the table has a line for each case and a sum`() {
        #expect(
            report(Self.all, .attached).text == """
                RULE         RESULT    SEEN BY   AFTER  MADE BY, OR WHY NOT
                arp-scan     seen      tp_btf:x  38 us  many requests
                arp-trace    NOT SEEN  -         -      any ARP
                arp-dropped  blind     -         -      no tracepoint
                gso-ufo      not made  -         -      harm
                gso-trace    FAILED    -         -      cannot "write"

                1 seen, 1 not seen, 1 not made, 1 blind, 1 failed; 1 of 1 probes attached

                """)
    }

    @Test func `a probe that is missing is named with what is lost by it`() {
        let text = report([Self.seen], .attached, .failed("no tracepoint x")).text
        #expect(
            text.hasSuffix(
                """
                1 seen, 0 not seen; 1 of 2 probes attached
                Without x, received ARP: not watched (no tracepoint x)

                """))
    }

    @Test(arguments: zip(all, [false, true, false, false, true]))
    func `what this kernel can show and did not is a failure`(row: ReportRow, isFailure: Bool) {
        #expect(report([Self.seen, row], .attached).isFailure == isFailure)
    }

    @Test(
        arguments: [
            (0, "0 us"), (499, "0 us"), (500, "1 us"), (38_400, "38 us"), (9_999_499, "9999 us"),
            (9_999_500, "10.0 ms"),
            (12_345_678, "12.3 ms"),
        ] as [(UInt64, String)])
    func `a duration has as many digits as mean something`(nanoseconds: UInt64, text: String) {
        #expect(Report.duration(nanoseconds) == text)
    }

    @Test func `JSON says the same for programs`() {
        let start = #"{"version":"\#(daemonVersion)","passed":false,"results":["#
        let results = [
            #"{"rule":"arp-scan","result":"seen","made_by":"many requests","probe":"tp_btf:x","latency_ns":38400}"#,
            #"{"rule":"arp-trace","result":"not seen","made_by":"any ARP"}"#,
            #"{"rule":"arp-dropped","result":"blind","reason":"no tracepoint"}"#,
            #"{"rule":"gso-ufo","result":"not made","reason":"harm"}"#,
            #"{"rule":"gso-trace","result":"failed","made_by":"any","reason":"cannot \"write\""}"#,
        ]
        let probes = #"],"probes":[{"hook":"x","attached":false,"reason":"gone"}]}"#
        #expect(report(Self.all, .failed("gone")).json.text == start + results.joined(separator: ",") + probes)
    }
}
