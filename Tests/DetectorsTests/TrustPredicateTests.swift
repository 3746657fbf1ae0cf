import AnomalyModel
import CDetectorEvents
import DaemonConfig
import Detectors
import Glibc
import Testing

/// The matching of interface names in `na_trust.h`, with the tables that the configuration makes for it.
@Suite struct TrustPredicateTests {
    /// The rules, as bits, that a configuration excuses from judging an interface.
    private struct Excuses {
        private let words: [[UInt64]]

        init(_ text: String) throws {
            let source = ConfigurationSource(path: "1.conf", bytes: Array(text.utf8))
            words = KernelTrust(try Configuration(sources: [source], rules: allRules), rules: arp.rules).globs
        }

        func callAsFunction(_ name: String) -> UInt32 {
            var search = na_glob_search()
            fill(&search.name, name.utf8)
            for word in words {
                word.withUnsafeBytes { bytes in
                    var word = bytes.loadUnaligned(as: na_glob_word.self)
                    na_try_word(&word, &search)
                }
            }
            return na_ignored_rules(&search)
        }
    }

    private let all = UInt32.max

    @Test func theTableHasTheKernelsLayout() throws {
        let configuration = try Configuration(sources: [], rules: allRules)
        for detector in allDetectors {
            let globs = KernelTrust(configuration, rules: detector.rules).globs
            #expect(globs.count == Int(NA_GLOB_WORDS))
            for word in globs { #expect(word.count * MemoryLayout<UInt64>.size == MemoryLayout<na_glob_word>.size) }
        }
        #expect(Trust.maximumInterfaceGlobs == Int(NA_GLOB_WORDS * NA_GLOB_LANES))
    }

    @Test func theMarksAreTheKernelsFlags() throws {
        let text = "[Trust]\nVirtualMACs=02:*\nServiceAddresses=192.0.2.1\n[Rule arp-malformed]\nIgnoreMACs=04:*"
        let source = ConfigurationSource(path: "1.conf", bytes: Array(text.utf8))
        let trust = KernelTrust(try Configuration(sources: [source], rules: allRules), rules: arp.rules)
        #expect(trust.macs.map(\.flags) == [NA_TRUST_VIRTUAL_MAC.rawValue, 0])
        #expect(trust.macs.map(\.ignoredRules) == [0, 1 << ARP_RULE_MALFORMED.rawValue])
        #expect(trust.addresses.map(\.flags) == [NA_TRUST_SERVICE_ADDRESS.rawValue])
    }

    @Test func withoutPatternsEveryRuleJudgesEveryInterface() throws {
        let excuses = try Excuses("")
        #expect(excuses("eth0") == 0 && excuses("") == 0)
    }

    @Test(arguments: [
        ("docker*", "docker0", true), ("docker*", "docker", true), ("docker*", "docke", false),
        ("docker*", "xdocker0", false), ("eth?", "eth0", true), ("eth?", "eth", false), ("eth?", "eth10", false),
        ("eth[0-3]", "eth3", true), ("eth[0-3]", "eth4", false), ("eth[!0-3]", "eth4", true),
        ("eth[!0-3]", "eth", false), ("*", "lo", true), ("*-*-*", "br-a-b", true), ("*-*-*", "br-a", false),
        ("[]-a]x", "]x", true), ("[a-]x", "-x", true), ("*abab", "ababab", true), ("*ab*ba", "aba", false),
        ("abcdefghijklmno", "abcdefghijklmno", true), ("abcdefghijklmno", "abcdefghijklmn", false),
        ("**?***************", "x", true), ("caf\u{e9}?", "caf\u{e9}0", true), ("a\\*", "a\\b", true),
    ])
    func aPatternMatchesTheWholeName(pattern: String, name: String, isMatch: Bool) throws {
        #expect(try Excuses("[Trust]\nIgnoreInterfaces=\(pattern)")(name) == (isMatch ? all : 0))
        #expect(try Excuses("[Trust]\nWatchInterfaces=\(pattern)")(name) == (isMatch ? 0 : all))
        let ofOneRule = try Excuses("[Rule arp-local-spoof]\nIgnoreInterfaces=\(pattern)")(name)
        #expect(ofOneRule == (isMatch ? 1 << ARP_RULE_LOCAL_SPOOF.rawValue : 0))
    }

    @Test func whatIsWatchedMayStillBeIgnored() throws {
        let excuses = try Excuses(
            """
            [Trust]
            WatchInterfaces=eth* wlan* br0
            IgnoreInterfaces=eth9 veth*
            [Rule arp-malformed]
            IgnoreInterfaces=eth9 eth1 wlan* eth8
            [Rule arp-bad-sender-mac]
            IgnoreInterfaces=eth1 br0
            """)
        let malformed = UInt32(1) << ARP_RULE_MALFORMED.rawValue
        let badSenderMAC = UInt32(1) << ARP_RULE_BAD_SENDER_MAC.rawValue
        #expect(excuses("eth0") == 0)
        #expect(excuses("eth1") == malformed | badSenderMAC)
        #expect(excuses("wlan0") == malformed)
        #expect(excuses("br0") == badSenderMAC)
        #expect(excuses("eth9") == all && excuses("veth1") == all && excuses("br1") == all)
    }

    /// Different numbers of patterns, so that each place of the table is judged alone and in company.
    @Test(arguments: [1, 2, 3, 4, 5, 8, 31, 64]) func patternsAgreeWithFnmatch(count: Int) throws {
        var random = SeededGenerator(state: UInt64(count))
        var verdicts: [UInt32: Int] = [:]
        for round in 0..<40 {
            var patterns: Set<String> = []
            while patterns.count < count { patterns.insert(pattern(&random)) }
            var lists = Array(repeating: [String](), count: arp.rules.count)
            var watched: [String] = []
            for pattern in patterns.sorted() {
                let index = Int.random(in: 0..<arp.rules.count + round % 2, using: &random)
                if index < lists.count { lists[index].append(pattern) } else { watched.append(pattern) }
            }
            let sections = zip(arp.rules, lists).map {
                "[Rule \($0.name)]\nIgnoreInterfaces=\($1.joined(separator: " "))\n"
            }
            let excuses = try Excuses(
                "[Trust]\nWatchInterfaces=\(watched.joined(separator: " "))\n" + sections.joined())
            for _ in 0..<50 {
                let name = name(&random)
                func isMatch(_ pattern: String) -> Bool { fnmatch(pattern, name, FNM_NOESCAPE) == 0 }
                var expected = lists.enumerated().reduce(UInt32(0)) { bits, list in
                    list.element.contains(where: isMatch) ? bits | 1 << UInt32(list.offset) : bits
                }
                if !watched.isEmpty, !watched.contains(where: isMatch) { expected = all }
                #expect(excuses(name) == expected, "\(name): \(lists), watched: \(watched)")
                verdicts[expected, default: 0] += 1
            }
        }
        // The names and patterns are alike enough to match, and different enough not to.
        #expect(verdicts.count > 2 && verdicts.values.allSatisfy { $0 < 1900 })
    }

    /// Few characters, so that matches are frequent.
    private func name(_ random: inout SeededGenerator) -> String {
        String((0..<Int.random(in: 1...15, using: &random)).map { _ in "ab0-".randomElement(using: &random) ?? "a" })
    }

    private func pattern(_ random: inout SeededGenerator) -> String {
        let pieces = ["*", "?", "[ab]", "[!a]", "[0-9]", "[!-b]", "[a-]", "[]b0]", "a", "b", "0", "-"]
        let stars = ["*", "**"]
        let length = Int.random(in: 0...6, using: &random)
        return (0...length).map { _ in
            (Bool.random(using: &random) ? stars : pieces).randomElement(using: &random) ?? "?"
        }.joined()
    }
}
