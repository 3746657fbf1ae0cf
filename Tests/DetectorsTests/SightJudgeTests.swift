import AnomalyModel
import Testing

@testable import Detectors

/// From lines to events, as the daemon has it done.
@Suite struct SightJudgeTests {
    /// The time of a line.
    private func time(_ name: String) throws -> UInt64 {
        SightReader.boottimeNanoseconds(of: try sampleLine(name))
    }

    @Test func `a line's time is the first of its numbers`() throws {
        #expect(try time("arp-request-sent") == 0x184c_6808_9c8c)
        #expect(SightReader.boottimeNanoseconds(of: []) == 0)
        #expect(SightReader.boottimeNanoseconds(of: Array("alive".utf8)) == 0)
    }

    @Test func `lines about ARP wait for their order, and each event is offered by its identity first`() throws {
        let judge = try hostJudge(of: arp)
        var told: [String] = []
        let lines = try scripted(arp).sightJudge(judge) { identity, whole in
            told.append("\(identity.key.rule)")
            if identity.key.rule == RuleName("arp-malformed") { told.append((try? whole().command) ?? "nothing") }
        }
        #expect(lines.nextDeadline() == nil)
        for (now, name) in zip([2000, 3000] as [UInt64], ["arp-permanent-neighbour", "arp-short"]) {
            lines.take(try sampleLine(name), now)
        }
        let first = 2000 + SightQueue<[UInt8]>.windowNanoseconds
        #expect(told.isEmpty && lines.nextDeadline() == first)
        lines.judgeWaiting(first - 1)
        #expect(told.isEmpty)
        lines.judgeWaiting(first)
        #expect(told == ["arp-static-overwrite"])
        lines.take(try sampleLine("arp-neighbour-changed"), first)
        lines.judgeAll()
        #expect(told == ["arp-static-overwrite", "arp-binding-change", "arp-malformed", "python3"])
        #expect(lines.nextDeadline() == nil && lines.undecodable() == 0)
    }

    @Test func `the caller may use its array again`() throws {
        let judge = try hostJudge(of: arp)
        var told = 0
        let lines = try scripted(arp).sightJudge(judge) { _, _ in told += 1 }
        var line = try sampleLine("arp-short")
        lines.take(line, 0)
        for index in line.indices { line[index] = 0 }
        lines.judgeAll()
        #expect(told == 1 && line.allSatisfy { $0 == 0 })
    }

    @Test func `a packet is judged as it comes`() throws {
        let judge = try hostJudge(of: tunGSO, memoryEntries: 0)
        var told: [RuleName] = []
        let lines = try scripted(tunGSO).sightJudge(judge) { identity, _ in told.append(identity.key.rule) }
        for name in ["gso-wrong-version", "gso-ordinary", "gso-tiny"] { lines.take(try sampleLine(name), 0) }
        #expect(told == [RuleName("gso-ip-mismatch"), RuleName("gso-tiny-size")] && lines.nextDeadline() == nil)
    }

    @Test func `what is no line of the script's is counted`() throws {
        for (detector, other) in [(arp, "gso-tiny"), (tunGSO, "arp-short")] {
            let lines = try scripted(detector).sightJudge(try hostJudge(of: detector)) { _, _ in
                Issue.record("an event")
            }
            lines.take(try sampleLine(other), 0)
            lines.take(Array("tracepoint:net:net_dev_queue".utf8), 0)
            lines.take([], 0)
            lines.judgeAll()
            #expect(lines.undecodable() == 3)
        }
    }
}
