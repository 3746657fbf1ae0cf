import AnomalyModel
import CDetectorEvents
import Detectors
import Testing

/// What every detector's decoder does with the common head.
@Suite struct DecoderTests {
    private static let headSize = MemoryLayout<na_event_head>.size

    @Test(arguments: allDetectors) func anEventOfEveryRuleDecodes(_ detector: any Detector.Type) throws {
        for (number, rule) in detector.rules.enumerated() {
            let anomaly = try decode(record(sampleHead(rule: UInt32(number)), for: detector), as: detector)
            #expect(anomaly.rule.name == rule.name)
            #expect(anomaly.kind == .event)
            // A rule may have harmless sub-cases, and these come without any.
            #expect(anomaly.priority >= rule.priority)
            #expect(anomaly.message.contains("eth0"), "\(rule.name): \(anomaly.message)")
        }
    }

    @Test(arguments: allDetectors) func otherRulesOfAPacketAreNamedInTheirOrder(_ detector: any Detector.Type) throws {
        let last = UInt32(detector.rules.count - 1)
        var head = sampleHead(rule: 1)
        head.key.also = 1 << last | 1 << 3 | 1
        let whole = try decode(record(head, for: detector), as: detector)
        #expect(whole.also == [0, 3, Int(last)].map { detector.rules[$0].name })
        // What else a packet breaks makes it another kind.
        head.key.also = 1 << last
        #expect(try decode(record(head, for: detector), as: detector).key != whole.key)
        head.key.also = 1 << (last + 1)
        #expect(throws: DecodeError.unknown(what: "rules in", number: head.key.also)) {
            try decode(record(head, for: detector), as: detector)
        }
    }

    @Test(arguments: allDetectors) func theMasterIsNamed(_ detector: any Detector.Type) throws {
        var head = sampleHead()
        #expect(try decode(record(head, for: detector), as: detector).masterName == nil)
        fill(&head.master, "br0\n".utf8)
        #expect(try decode(record(head, for: detector), as: detector).masterName == "br0\\x0a")
    }

    @Test(arguments: allDetectors) func theHeadIsTakenOver(_ detector: any Detector.Type) throws {
        var head = sampleHead(detail: 1)
        (head.key.a, head.key.b, head.key.c) = (11, 12, 13)
        head.location = 0xffff_ffff_8100_0000
        head.stack_depth = 2
        (head.stack.0, head.stack.1, head.stack.2) = (21, 22, 23)
        head.probe = UInt32(detector.probes.count - 1)
        fill(&head.cgroup, "web.service".utf8)
        let anomaly = try decode(record(head, for: detector), as: detector)
        #expect(
            anomaly.key
                == AnomalyKey(
                    rule: detector.rules[0].name, networkNamespace: 4_026_531_840, interfaceIndex: 7, detail: 1,
                    words: [9, 11, 12, 13, 0]))
        #expect(anomaly.boottimeNanoseconds == 3000)
        #expect(anomaly.firstBoottimeNanoseconds == 1000)
        #expect(anomaly.lastBoottimeNanoseconds == 2000)
        #expect(anomaly.suppressed == 5)
        #expect(anomaly.probe == "tp_btf:" + (try #require(detector.probes.last).hook))
        #expect(anomaly.interfaceName == "eth0")
        #expect(anomaly.direction == .receive)
        #expect(anomaly.pid == 42)
        #expect(anomaly.command == "arpspoof")
        #expect(anomaly.controlGroup == "web.service")
        #expect(anomaly.stack == [21, 22])
        #expect(anomaly.dropLocation == 0xffff_ffff_8100_0000)
    }

    @Test(arguments: allDetectors) func whatTheKernelDidNotHaveIsAbsent(_ detector: any Detector.Type) throws {
        var head = sampleHead()
        head.direction = NA_DIRECTION_NONE.rawValue
        fill(&head.ifname, [])
        let anomaly = try decode(record(head, for: detector), as: detector)
        #expect(anomaly.direction == nil)
        #expect(anomaly.interfaceName == nil)
        #expect(anomaly.controlGroup == nil)
        #expect(anomaly.stack.isEmpty)
    }

    @Test(arguments: allDetectors) func everyOtherSizeIsRejected(_ detector: any Detector.Type) {
        let whole = record(sampleHead(), for: detector)
        for size in 0..<whole.count {
            let reason: DecodeError =
                size == Self.headSize ? .unknown(what: "record kind", number: 1) : .wrongSize(got: size)
            #expect(throws: reason) { try decode(Array(whole[..<size]), as: detector) }
        }
        #expect(throws: DecodeError.wrongSize(got: whole.count + 1)) { try decode(whole + [0], as: detector) }
    }

    @Test(arguments: allDetectors) func whatThisBuildDoesNotKnowIsRejected(_ detector: any Detector.Type) {
        func expect(_ what: String, _ number: Int, _ change: (inout na_event_head) -> Void) {
            var head = sampleHead()
            change(&head)
            #expect(throws: DecodeError.unknown(what: what, number: UInt32(number))) {
                try decode(record(head, for: detector), as: detector)
            }
        }
        let (rules, probes) = (UInt32(detector.rules.count), UInt32(detector.probes.count))
        for kind: UInt32 in [0, 2, 3, .max] { expect("record kind", Int(kind)) { $0.kind = kind } }
        for rule in [UInt16(rules), .max] { expect("rule", Int(rule)) { $0.key.rule = rule } }
        for probe in [probes, .max] { expect("probe", Int(probe)) { $0.probe = probe } }
        for direction: UInt32 in [3, .max] { expect("direction", Int(direction)) { $0.direction = direction } }
        for depth in [UInt32(NA_STACK_MAX) + 1, .max] { expect("stack depth", Int(depth)) { $0.stack_depth = depth } }
    }

    @Test(arguments: allDetectors) func theDeepestStackDecodes(_ detector: any Detector.Type) throws {
        var head = sampleHead()
        head.stack_depth = UInt32(NA_STACK_MAX)
        fill(&head.stack, [UInt8](repeating: 1, count: 8 * Int(NA_STACK_MAX)))
        let stack = try decode(record(head, for: detector), as: detector).stack
        #expect(stack == [UInt64](repeating: 0x0101_0101_0101_0101, count: Int(NA_STACK_MAX)))
    }

    @Test(arguments: allDetectors) func aSummaryDecodesFromTheHeadAlone(_ detector: any Detector.Type) throws {
        for (number, rule) in detector.rules.enumerated() {
            let anomaly = try decode(sampleHead(rule: UInt32(number), kind: NA_KIND_SUMMARY), as: detector)
            #expect(anomaly.kind == .summary)
            #expect(anomaly.rule.name == rule.name)
            #expect(anomaly.suppressed == 5)
            #expect(anomaly.stack.isEmpty)
            #expect(anomaly.message.contains("eth0"), "\(rule.name): \(anomaly.message)")
        }
        #expect(throws: DecodeError.unknown(what: "record kind", number: 2)) {
            try decode(record(sampleHead(kind: NA_KIND_SUMMARY), for: detector), as: detector)
        }
    }

    @Test(arguments: allDetectors) func hostileNamesAreMadeSafe(_ detector: any Detector.Type) throws {
        for (number, rule) in detector.rules.enumerated() {
            var head = sampleHead(rule: UInt32(number))
            fill(&head.ifname, "x\nMESSAGE=y\u{1b}[".utf8)
            fill(&head.comm, [UInt8](repeating: 0xff, count: Int(NA_COMM_LEN)))
            fill(&head.cgroup, [UInt8](repeating: UInt8(ascii: "\\"), count: Int(NA_CGROUP_LEN)))
            let anomaly = try decode(record(head, for: detector), as: detector)
            #expect(anomaly.interfaceName == "x\\x0aMESSAGE=y\\x1b[", "\(rule.name)")
            #expect(anomaly.command == String(repeating: "\\xff", count: 16), "\(rule.name)")
            #expect(anomaly.controlGroup == String(repeating: "\\\\", count: 64), "\(rule.name)")
            #expect(anomaly.message.contains("x\\x0aMESSAGE=y\\x1b["), "\(rule.name)")
            #expect(isOneSafeLine(anomaly.message), "\(rule.name)")
        }
    }

    @Test(arguments: allDetectors) func noBytesOfTheRightSizeBreakTheDecoder(_ detector: any Detector.Type) throws {
        var generator = SeededGenerator(state: 0x6e65_7461_6e6f_6d61)
        var decoded = 0
        for round in 0..<5000 {
            let isEvent = round % 2 == 0
            let size = isEvent ? eventSize(of: detector) : Self.headSize
            var bytes = (0..<size).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            // Bytes that are random throughout are nearly always rejected: three in four are let past the checks.
            if round % 8 > 1 { admit(&bytes, isEvent, detector, &generator) }
            guard let anomaly = try? decode(bytes, as: detector) else { continue }
            decoded += 1
            #expect(isOneSafeLine(anomaly.message))
            #expect(anomaly.fields.allSatisfy { !$0.value.isEmpty && isOneSafeLine($0.value) })
            #expect(Set(anomaly.fields.map(\.name)).count == anomaly.fields.count)
        }
        #expect(decoded >= 3750)
    }

    /// Makes the checked numbers of a random head valid ones.
    private func admit(
        _ bytes: inout [UInt8], _ isEvent: Bool, _ detector: any Detector.Type, _ generator: inout SeededGenerator
    ) {
        var head = bytes.withUnsafeBytes { $0.loadUnaligned(as: na_event_head.self) }
        head.kind = (isEvent ? NA_KIND_EVENT : NA_KIND_SUMMARY).rawValue
        head.key.rule = UInt16.random(in: 0..<UInt16(detector.rules.count), using: &generator)
        head.key.detail %= 128
        head.key.also &= (1 << UInt32(detector.rules.count)) - 1
        head.probe = UInt32.random(in: 0..<UInt32(detector.probes.count), using: &generator)
        head.direction %= 3
        head.stack_depth %= UInt32(NA_STACK_MAX) + 1
        withUnsafeBytes(of: head) { bytes.replaceSubrange(0..<$0.count, with: $0) }
    }

    private func isOneSafeLine(_ text: String) -> Bool {
        !text.unicodeScalars.contains { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) }
    }
}
