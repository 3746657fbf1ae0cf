import AnomalyModel
import DaemonConfig
import Testing

@Suite struct ConfigurationTests {
    @Test func noFilesGiveTheDefaults() throws {
        let defaults = try configuration()
        #expect(defaults.backend == .auto && defaults.bpftracePath == "/usr/bin/bpftrace")
        #expect(defaults.scripts.isEmpty)
        #expect(defaults.accountingIntervalNanoseconds == 3600 * second)
        #expect(defaults.limits.dedupIntervalNanoseconds == 60 * second)
        #expect(defaults.limits.rateLimitIntervalNanoseconds == 10 * second)
        #expect(defaults.limits.rateLimitBurst == 200)
        #expect(defaults.limits.maxKeys == 8192 && defaults.limits.maxMemory == 16384)
        #expect(defaults.enabledDetectors == [DetectorName("arp"), DetectorName("tun-gso")])
        #expect(defaults.rules.count == sampleRules.count)
        #expect(defaults.rules.filter(\.value.isEnabled).count == 3)
        let tiny = try settings(of: "gso-tiny-size", in: defaults)
        #expect(tiny.threshold == 48 && tiny.priorityOverride == nil)
        #expect(tiny.dedupIntervalNanoseconds == 60 * second && tiny.rateLimitBurst == 200)
        #expect(try settings(of: "arp-malformed", in: defaults).threshold == nil)
        #expect(defaults.settings.allSatisfy { $0.origin == "default" })
    }

    @Test func everyKeyOfEverySectionIsRead() throws {
        let all = try configuration(
            """
            [Daemon]
            Backend=bpftrace
            BpftracePath=/opt/bpftrace/bin/bpftrace
            AccountingIntervalSec=0
            [Limits]
            DedupIntervalSec=0
            RateLimitIntervalSec=1h
            RateLimitBurst=100000
            MaxKeys=16
            MaxMemory=1048576
            [ARP]
            Enabled=off
            [Rule gso-tiny-size]
            Enabled=true
            Priority=3
            DedupIntervalSec=1d
            RateLimitIntervalSec=1ms
            RateLimitBurst=1
            MinSegmentBytes=1500
            """)
        #expect(all.backend == .bpftrace && all.bpftracePath == "/opt/bpftrace/bin/bpftrace")
        #expect(all.accountingIntervalNanoseconds == 0)
        #expect(all.limits.dedupIntervalNanoseconds == 0)
        #expect(all.limits.rateLimitIntervalNanoseconds == 3600 * second)
        #expect(all.limits.rateLimitBurst == 100_000)
        #expect(all.limits.maxKeys == 16 && all.limits.maxMemory == 1_048_576)
        #expect(all.enabledDetectors == [DetectorName("tun-gso")])
        let tiny = try settings(of: "gso-tiny-size", in: all)
        #expect(tiny.isEnabled && tiny.priorityOverride == .error && tiny.threshold == 1500)
        #expect(tiny.dedupIntervalNanoseconds == 86400 * second)
        #expect(tiny.rateLimitIntervalNanoseconds == 1_000_000 && tiny.rateLimitBurst == 1)
    }

    @Test func aRuleFollowsTheLimitsItDoesNotSet() throws {
        let mixed = try configuration(
            """
            [Rule arp-malformed]
            RateLimitBurst=5
            [Limits]
            RateLimitBurst=7
            DedupIntervalSec=9
            """)
        let own = try settings(of: "arp-malformed", in: mixed)
        #expect(own.rateLimitBurst == 5 && own.dedupIntervalNanoseconds == 9 * second)
        #expect(try settings(of: "arp-address-conflict", in: mixed).rateLimitBurst == 7)
    }

    @Test func aRulesOwnIntervalComesBeforeTheLimitsAndAfterItsSection() throws {
        let rule = Rule(
            "arp-slow", detector: DetectorName("arp"), messageID: "", priority: .notice, summary: "",
            defaultDedupIntervalNanoseconds: 600 * second)
        func interval(_ text: String) throws -> UInt64? {
            let source = ConfigurationSource(path: "1.conf", bytes: Array(text.utf8))
            return try Configuration(sources: [source], rules: [rule]).rules[rule.name]?.dedupIntervalNanoseconds
        }
        #expect(try interval("[Limits]\nDedupIntervalSec=5") == 600 * second)
        #expect(try interval("[Limits]\nDedupIntervalSec=5\n[Rule arp-slow]\nDedupIntervalSec=7") == 7 * second)
        #expect(try Configuration(sources: [], rules: [rule]).dump.contains("# default\nDedupIntervalSec=10min\n"))
    }

    @Test func aRuleRunsIfItAndItsDetectorAreEnabled() throws {
        let off = try configuration("[ARP]\nEnabled=no\n[Rule arp-trace]\nEnabled=yes\n")
        #expect(try !settings(of: "arp-trace", in: off).isEnabled)
        let on = try configuration("[Rule arp-trace]\nEnabled=yes\n[Rule arp-malformed]\nEnabled=no\n")
        #expect(try settings(of: "arp-trace", in: on).isEnabled)
        #expect(try !settings(of: "arp-malformed", in: on).isEnabled)
        #expect(on.enabledDetectors.contains(DetectorName("arp")))
    }

    @Test func aLaterFileWinsAndAnEmptyValueRestoresTheDefault() throws {
        let later = try configuration("[Limits]\nMaxKeys=16\nRateLimitBurst=5", "[Limits]\nMaxKeys=17\nRateLimitBurst=")
        #expect(later.limits.maxKeys == 17)
        #expect(later.limits.rateLimitBurst == 200)
        #expect(later.settings.first { $0.key == "MaxKeys" }?.origin == "2.conf:2")
        #expect(later.settings.first { $0.key == "RateLimitBurst" }?.origin == "default")
    }

    @Test func blanksCommentsCarriageReturnsAndRepeatedSectionsAreTolerated() throws {
        let untidy = try configuration(
            "\r\n# one\r\n  ; two\r\n\t[Limits] \r\n  MaxKeys \t=  32\t\r\n[ARP]\r\n[Limits]\r\nRateLimitBurst = 9")
        #expect(untidy.limits.maxKeys == 32 && untidy.limits.rateLimitBurst == 9)
        #expect(try configuration("[ Rule   arp-trace ]\nEnabled=1").rules[RuleName("arp-trace")]?.isEnabled == true)
    }

    @Test(arguments: [
        "DedupIntervalSec=1min \\\n30s", "DedupIntervalSec=1min \\\r\n  30s\r\n", "DedupIntervalSec=\\\n1min\\\n30s\\",
        "DedupIntervalSec=1min\\\n# not this \\\n ; nor this\n30s",
        "DedupIntervalSec\\\n=\\\n90\\\n\nRateLimitBurst=200",
    ])
    func aBackslashAtItsEndContinuesALine(text: String) throws {
        #expect(try configuration("[Limits]\n" + text).limits.dedupIntervalNanoseconds == 90 * second)
    }

    @Test func aCommentIsNeverContinued() throws {
        #expect(try configuration("[Limits]\n# one \\\nMaxKeys=99").limits.maxKeys == 99)
    }

    @Test(arguments: [
        ("yes", true), ("true", true), ("on", true), ("1", true), ("Yes", true),
        ("no", false), ("false", false), ("off", false), ("0", false), ("OFF", false),
    ])
    func everyBooleanWordIsRead(word: String, isEnabled: Bool) throws {
        let configuration = try configuration("[Rule arp-malformed]\nEnabled=\(word)")
        #expect(try settings(of: "arp-malformed", in: configuration).isEnabled == isEnabled)
    }

    @Test(arguments: Priority.allCases)
    func everyPriorityIsReadAsWordAndNumber(priority: Priority) throws {
        for text in [priority.word, String(priority.rawValue)] {
            let configuration = try configuration("[Rule arp-malformed]\nPriority=\(text)")
            #expect(try settings(of: "arp-malformed", in: configuration).priorityOverride == priority)
        }
    }
}
