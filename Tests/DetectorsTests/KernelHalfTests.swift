import AnomalyModel
import CDetectorEvents
import Detectors
import Testing

/// The Swift tables against the C files they mirror; each detector's files are found by the name of its object.
@Suite struct KernelHalfTests {
    /// The names of `enum <family>_<what>` in the detector's event header, without the count that closes it.
    private func enumeration(
        _ what: String, of detector: any Detector.Type
    ) throws -> (family: String, names: [String]) {
        let header = try repositoryFile("Sources/Detectors/bpf/include/\(detector.object.name)_event.h")
        let found = try #require(
            header.matches(of: /enum ([a-z]+)_([a-z]+) \{([^}]*)\}/).first { $0.2 == what }, "no enum of \(what)s")
        let prefix = "\(found.1)_\(what)_".uppercased()
        let words = found.3.split { !$0.isLetter && !$0.isNumber && $0 != "_" }.filter { $0.hasPrefix(prefix) }
        #expect(words.last == "\(prefix)COUNT")
        return (String(found.1), words.dropLast().map { $0.dropFirst(prefix.count).lowercased() })
    }

    @Test(arguments: allDetectors) func rulesStandInTheOrderOfTheirNumbers(_ detector: any Detector.Type) throws {
        let (family, names) = try enumeration("rule", of: detector)
        let expected = names.map { "\(family)-" + $0.split(separator: "_").joined(separator: "-") }
        #expect(detector.rules.map(\.name.text) == expected)
        #expect(detector.rules.count <= Int(NA_RULES_MAX))
    }

    @Test(arguments: allDetectors) func probesStandInTheOrderOfTheirNumbers(_ detector: any Detector.Type) throws {
        #expect(try detector.probes.map(\.hook) == enumeration("probe", of: detector).names)
    }

    @Test func theCompilersCountAgrees() {
        #expect(arp.rules.count == Int(ARP_RULE_COUNT.rawValue))
        #expect(arp.probes.count == Int(ARP_PROBE_COUNT.rawValue))
        #expect(tunGSO.rules.count == Int(GSO_RULE_COUNT.rawValue))
        #expect(tunGSO.probes.count == Int(GSO_PROBE_COUNT.rawValue))
    }

    @Test(arguments: allDetectors) func programsAreTheProbesAndNoOthers(_ detector: any Detector.Type) throws {
        let source = try repositoryFile("Sources/Detectors/bpf/\(detector.object.name).bpf.c")
        let programs = source.matches(of: /SEC\("tp_btf\/([a-z0-9_]+)"\)\s+int BPF_PROG\(([a-z0-9_]+),/)
            .map { "\($0.2) on \($0.1)" }
        #expect(programs.sorted() == detector.probes.map { "\($0.program) on \($0.hook)" }.sorted())
        #expect(source.matches(of: /SEC\("tp_btf/).count == programs.count)
    }

    @Test(arguments: allDetectors) func everyRuleIsSeenByAProbeOfItsDetector(_ detector: any Detector.Type) {
        let seen = Set(detector.probes.flatMap(\.rules))
        #expect(seen == Set(detector.rules.map(\.name)))
        for probe in detector.probes {
            #expect(!probe.rules.isEmpty && Set(probe.rules).count == probe.rules.count, "\(probe.program)")
        }
    }

    @Test(arguments: allDetectors) func theEmbeddedObjectIsAnELFImageForBPF(_ detector: any Detector.Type) {
        let object = detector.object
        let image = object.words.withUnsafeBytes { Array($0.prefix(object.size)) }
        #expect(image.count == object.size)
        #expect(Array(image.prefix(4)) == [0x7f] + Array("ELF".utf8))
        #expect(UInt16(image[18]) | UInt16(image[19]) << 8 == 247, "e_machine is EM_BPF")
    }
}
