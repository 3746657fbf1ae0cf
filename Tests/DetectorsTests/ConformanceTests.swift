import AnomalyModel
import DaemonConfig
import Detectors
import SystemdProtocols
import Testing

@testable import NetAnomalyDaemon

/// Everything that belongs to a rule besides its code; a new rule makes these fail until it has all of it.
@Suite struct ConformanceTests {
    /// What scripts and dashboards match on: a name may be added here, never changed.
    private static let promisedNames: Set = [
        "arp-malformed", "arp-sender-mismatch", "arp-target-mismatch", "arp-bad-sender-mac", "arp-bad-sender-ip",
        "arp-bogon-sender", "arp-bad-target", "arp-gratuitous-flood", "arp-unsolicited-reply", "arp-address-conflict",
        "arp-binding-change", "arp-flip-flop", "arp-duplicate-claim", "arp-many-addresses", "arp-scan",
        "arp-request-flood", "arp-resolution-failed", "arp-table-overflow", "arp-dropped", "arp-unicast-request",
        "arp-odd-delivery", "arp-static-overwrite", "arp-on-noarp-device", "arp-local-spoof", "arp-trace",
        "gso-size-without-type", "gso-type-without-size", "gso-unsupported-type", "gso-read-failed", "gso-mixed-types",
        "gso-ip-mismatch", "gso-l4-mismatch", "gso-tunnel-without-encapsulation", "gso-tiny-size",
        "gso-segs-mismatch", "gso-size-exceeds-payload", "gso-size-exceeds-mtu", "gso-ecn-without-tcp", "gso-ufo",
        "gso-checksum-start", "gso-without-checksum", "gso-length-mismatch", "gso-by-frags",
        "gso-segmentation-refused", "gso-header-rejected", "gso-short-header", "gso-trace",
    ]

    private let allIDs = allRules.map { ($0.name, $0.messageID) } + Notices.all

    @Test func ruleNamesAreTheOnesPromised() {
        #expect(Set(allRules.map(\.name.text)) == Self.promisedNames)
        #expect(allRules.count == Self.promisedNames.count)
    }

    @Test func rulesNameTheDetectorThatHasThem() {
        for detector in allDetectors {
            let named = Set(detector.rules.map(\.detector))
            #expect(named == [detector.name])
        }
        #expect(Set(allDetectors.map { $0.name }).count == allDetectors.count)
    }

    @Test func namesAndMessageIDsAreUnique() {
        #expect(Set(allIDs.map(\.0)).count == allIDs.count)
        #expect(Set(allIDs.map(\.1)).count == allIDs.count)
    }

    @Test func messageIDsAre32LowerCaseHexDigits() {
        for (name, id) in allIDs {
            let digits = id.text.allSatisfy { "0123456789abcdef".contains($0) }
            #expect(digits && id.text.count == 32, "\(name)")
        }
    }

    @Test func theCatalogHasOneBlockPerMessageIDAndNoOther() throws {
        let lines = try repositoryFile("systemd/netanomalyd.catalog").split(separator: "\n")
        let blocks = lines.filter { $0.hasPrefix("-- ") }.map { String($0.dropFirst(3)) }
        #expect(blocks.sorted() == allIDs.map(\.1.text).sorted())
        for heading in ["Subject: ", "Defined-By: netanomalyd", "Documentation: man:netanomalyd(8)"] {
            #expect(lines.filter { $0.hasPrefix(heading) }.count == blocks.count, "\(heading)")
        }
    }

    @Test func theCatalogFillsInFieldsThatExist() throws {
        let names = try repositoryFile("systemd/netanomalyd.catalog").matches(of: /@([A-Z0-9_]+)@/).map(\.1)
        #expect(!names.isEmpty)
        for name in names { #expect(FieldName(rawValue: String(name)) != nil, "\(name)") }
    }

    @Test(arguments: allRules) func theManualExplainsTheRuleUnderItsPriority(_ rule: Rule) throws {
        let lines = try manualLines("docs/netanomalyd.8")
        let heading = ".BR \(rule.name) \" (\(rule.priority.word))\""
        let index = try #require(lines.firstIndex(of: heading), "no entry \(heading)")
        #expect(!lines[index + 1].hasPrefix(".TP"), "\(rule.name) has no text")
    }

    @Test func theManualNamesTheDaemonsOwnRules() throws {
        let manual = try manualLines("docs/netanomalyd.8").joined(separator: "\n")
        for (name, _) in Notices.all { #expect(manual.contains(name.text), "\(name)") }
    }

    @Test func theManualNamesEveryMetricAndNoOther() throws {
        let configuration = try Configuration(sources: [], rules: allRules)
        let nowhere = StreamTransport(descriptor: 1) { _, _ in }
        let status = StatusReport(
            configuration: configuration, sources: [], backend: "", books: Books(accounts: []),
            path: EventPath(
                configuration, transport: nowhere, namer: nil, memory: try StateMemory(), isKept: false),
            outputKind: .text, startedNanoseconds: 0, reloadProblem: nil, journalProblem: nil)
        let report = MetricsReport(
            status: status, reloads: ReloadCounts(startedSeconds: 0), startedSeconds: 0, isRunning: true)
        let documented = try repositoryFile("docs/netanomalyd.8").matches(of: /netanomalyd_[a-z_]+/)
        #expect(Set(documented.map { String($0.0) }) == Set(report.families.map(\.name)))
    }

    @Test(arguments: allRules) func theLaboratoryProvokesTheRule(_ rule: Rule) throws {
        let tests = try repositoryFiles("Tests/lab", ending: ".py").joined()
        #expect(tests.contains("\"\(rule.name)\""))
    }

    @Test func theManualDocumentsEveryFieldAndNoOther() throws {
        let documented = try manualLines("docs/netanomalyd-fields.7").filter { $0.hasPrefix(".B ") }
            .map { String($0.dropFirst(3)) }
        for field in FieldName.allCases { #expect(documented.contains(field.rawValue), "\(field.rawValue)") }
        for name in documented where name.hasPrefix("NETANOMALY_") {
            #expect(FieldName(rawValue: name) != nil, "\(name)")
        }
    }
}
