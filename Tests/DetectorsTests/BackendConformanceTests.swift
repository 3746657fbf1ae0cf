import AnomalyModel
import CDetectorEvents
import Testing

@testable import Detectors

/// The two backends side by side: what a probe or a rule of one needs in the other, and in the manual.
@Suite struct BackendConformanceTests {
    private func script(_ detector: any Detector.Type) throws -> String { try scripted(detector).script }

    @Test(arguments: allDetectors.indices)
    func everyProbeIsInTheScriptAndNoOther(_ index: Int) throws {
        let detector = allDetectors[index]
        let attached = try script(detector).matches(of: /(?m)^(tracepoint:[a-z]+:[a-z_]+),?$/).map { String($0.1) }
        #expect(Set(attached) == Set(detector.probes.map(\.tracepoint)))
        #expect(attached.count == detector.probes.count)
    }

    @Test(
        arguments: zip(
            allDetectors.indices, ["trace-abnormal-arp-tracepoints.bt", "tun-abnormal-gso-type-tracepoints.bt"]))
    func theScriptIsTheOneThatPeopleRun(_ index: Int, _ name: String) throws {
        #expect(try script(allDetectors[index]) == (try repositoryFile("bpftrace/" + name)))
    }

    @Test(arguments: allDetectors.indices)
    func everyParameterOfTheScriptIsGiven(_ index: Int) throws {
        let conditions = ScriptConditions(
            enabledRules: [], thresholds: [:], deviceHeaderReason: nil,
            layout: Array(repeating: "0", count: allDetectors[index].moduleMembers.count + 1))
        let given = try scripted(allDetectors[index]).arguments(conditions)
        let used = try script(allDetectors[index]).matches(of: /\$([0-9]+)/).compactMap { Int($0.1) }
        #expect(Set(used) == Set(1...given.count))
    }

    /// By how many numbers a line has: else the samples, and what is tested with them, would be of an older script.
    @Test(arguments: zip(allDetectors.indices, ["arp-", "gso-"]))
    func theSamplesAreLinesOfTheScript(_ index: Int, _ prefix: String) throws {
        let printed = try script(allDetectors[index]).matches(of: /printf\("%s((?: %lx)+) %s/)
            .map { $0.1.split(separator: " ").count }
        let sampled = try repositoryNames("Tests/Fuzz/corpus/sights").filter { $0.hasPrefix(prefix) }
            .map { try #require(try sampleLine($0).split(separator: 10).first).split(separator: 32).count - 2 }
        #expect(Set(printed) == Set(sampled) && !printed.isEmpty)
    }

    @Test func theScriptIsToldOfTheConfigurationAndTheKernel() throws {
        let (trace, tiny) = (RuleName("gso-trace"), RuleName("gso-tiny-size"))
        func arguments(_ detector: any Detector.Type, _ change: (inout ScriptConditions) -> Void) throws -> [String] {
            var conditions = ScriptConditions(
                enabledRules: [tiny], thresholds: [tiny: 100], deviceHeaderReason: 78, layout: ["5", "6"])
            change(&conditions)
            return try scripted(detector).arguments(conditions)
        }
        #expect(try arguments(tunGSO) { _ in } == ["1", "0", "100", "78", "5", "6"])
        #expect(try arguments(tunGSO) { $0.enabledRules.insert(trace) } == ["1", "1", "100", "78", "5", "6"])
        #expect(
            try arguments(tunGSO) { ($0.thresholds, $0.deviceHeaderReason) = ([:], nil) } == [
                "1", "0", "0", "0", "5", "6",
            ])
        #expect(try arguments(arp) { $0.enabledRules = [] } == ["1"], "every frame, whatever is judged")
    }

    // MARK: What is not seen

    /// The paragraph of the manual that begins with these words, with the rules in its heading.
    private func notSeen(_ beginning: String) throws -> Set<String> {
        let lines = try manualLines("docs/netanomalyd.8")
        let start = try #require(lines.firstIndex(of: ".SS What is not seen with bpftrace"))
        let paragraphs = lines[(start + 1)...].prefix { !$0.hasPrefix(".SS") && !$0.hasPrefix(".PP") }
            .split(separator: ".TP")
        let found = try #require(
            paragraphs.first { $0.dropFirst().contains { $0.hasPrefix(beginning) } }, "no '\(beginning)'")
        let heading = found.prefix { !$0.hasPrefix(beginning) }.joined()
        return Set(heading.matches(of: /[a-z]+(-[a-z]+)+/).map { String($0.0) })
    }

    private func names(_ detector: any Detector.Type, ofProbes isIn: (Probe) -> Bool) -> Set<String> {
        Set(detector.probes.filter(isIn).flatMap(\.rules).map(\.text)).filter { !$0.hasSuffix("-trace") }
    }

    @Test func theManualNamesRulesThatThereAre() throws {
        for beginning in ["The routing table", "Blind for frames with", "The tracepoint has", "Blind before"] {
            let rules = try notSeen(beginning)
            #expect(!rules.isEmpty && rules.isSubset(of: Set(allRules.map(\.name.text))), "\(beginning): \(rules)")
        }
    }

    @Test func theManualNamesEveryRuleThatNeedsTheReasonOfADrop() throws {
        let drops = allDetectors.map { names($0) { $0.hook == "kfree_skb" } }
        #expect(try notSeen("Blind before") == drops[0].union(drops[1]))
    }

    @Test func theManualNamesEveryRuleOfTheNeighbourTable() throws {
        #expect(try notSeen("The tracepoint has") == names(arp) { $0.hook.hasPrefix("neigh_") })
    }

    /// Found out: what frames of the predicates' tables break without a tag, and with one do not.
    @Test func theManualNamesEveryRuleThatIsBlindForTaggedFrames() throws {
        var blind: Set<String> = []
        for frame in ArpVerdictTests.frames + ArpPredicateTests.frames + ArpPlacePredicateTests.frames {
            var sight = arp_sight(frame.facts)
            // Where there is a VLAN device.
            sight.uppers.0 = 9
            let seen = try broken(sight)
            sight.tag(12)
            let lost = seen.subtracting(try broken(sight))
            blind.formUnion(lost.map { arp.rules[Int($0.rawValue)].name.text })
        }
        let documented = try notSeen("Blind for frames with")
        #expect(documented == blind)
    }

    /// By a judge that has watched for long.
    private func broken(_ sight: arp_sight) throws -> Set<arp_rule> {
        try hostJudge(of: arp).entries(.frame(sight)).reduce(into: []) { $0.formUnion($1.rules) }
    }
}
