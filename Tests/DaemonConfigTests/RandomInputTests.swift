import DaemonConfig
import Testing

/// Knuth's MMIX generator: the same bytes on every machine for one seed.
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}

@Suite struct RandomInputTests {
    /// Pieces that get past the first check, so that all the later ones are reached.
    private static let pieces: [[UInt8]] =
        [
            "[Limits]\n", "[Daemon]\n", "[ARP]\n", "[Rule gso-tiny-size]\n", "[Rule ", "]",
            "[Script x]\n", "[Script tcp-storm]\n", "[Script ", "Path=/x", "Arguments=", "KeyFields=", "saddr", "\n",
            "\r\n", "\\\n", "=",
            " ", "#",
            "MaxKeys", "DedupIntervalSec", "Priority", "MinSegmentBytes", "Enabled", "Backend=", "16", "1.5", "min",
            "s",
            "[Trust]\n", "[Rule arp-trace]\n", "KnownBindings=", "VirtualMACs=", "IgnoreInterfaces=", "10.0.0.1",
            "=02:00:00:00:00:01", "02:*", "eth[", "*", "us", "-", "auto", "yes", "warning", "\u{0}", "\u{e9}",
            "18446744073709551616",
        ].map { Array($0.utf8) } + [[0xff], [0xc3]]

    @Test func randomInputIsReadOrReported() throws {
        var random = SeededGenerator(state: 20_261_124)
        var accepted = 0
        for _ in 0..<2000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0..<12, using: &random) {
                bytes += try #require(Self.pieces.randomElement(using: &random))
                if Int.random(in: 0..<16, using: &random) == 0 {
                    bytes.append(UInt8.random(in: 0...255, using: &random))
                }
            }
            let source = ConfigurationSource(path: "f", bytes: bytes)
            do {
                let configuration = try Configuration(sources: [source], rules: sampleRules)
                accepted += 1
                let dump = ConfigurationSource(path: "d", bytes: Array(configuration.dump.utf8))
                #expect(try Configuration(sources: [dump], rules: sampleRules) == configuration)
            } catch {
                let lines = bytes.split(separator: 10, omittingEmptySubsequences: false).map(\.count)
                for problem in error.problems {
                    #expect(problem.line <= lines.count && problem.column <= lines[problem.line - 1] + 1)
                    #expect(problem.description.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f })
                }
                #expect(!error.problems.isEmpty)
            }
        }
        #expect(accepted > 100 && accepted < 1900)
    }
}
