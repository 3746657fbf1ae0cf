import DaemonConfig
import Testing

@Suite struct EffectiveSettingTests {
    private let text = """
        [Limits]
        DedupIntervalSec=90

        [Rule gso-tiny-size]
        Priority=info
        DedupIntervalSec=1500ms
        MinSegmentBytes=24
        """

    @Test func theDumpNamesTheOriginOfEachValue() throws {
        #expect(
            try configuration(text).dump == """
                [Daemon]
                # default
                Backend=auto
                # default
                BpftracePath=/usr/bin/bpftrace
                # default
                AccountingIntervalSec=1h

                [Limits]
                # 1.conf:2
                DedupIntervalSec=1min 30s
                # default
                RateLimitIntervalSec=10s
                # default
                RateLimitBurst=200
                # default
                MaxKeys=8192
                # default
                MaxMemory=16384

                [Metrics]
                # default
                IntervalSec=15s

                [ARP]
                # default
                Enabled=yes

                [TunGSO]
                # default
                Enabled=yes

                [Rule arp-malformed]
                # default
                Enabled=yes

                [Rule arp-address-conflict]
                # default
                Enabled=yes

                [Rule arp-trace]
                # default
                Enabled=no

                [Rule gso-tiny-size]
                # default
                Enabled=yes
                # 1.conf:5
                Priority=info
                # 1.conf:6
                DedupIntervalSec=1s 500ms
                # 1.conf:7
                MinSegmentBytes=24

                """)
    }

    @Test func theDumpReadsBackAsTheSameConfiguration() throws {
        for text in ["", text, trustText, scriptText] {
            let original = try configuration(text)
            let copy = try configuration(original.dump)
            #expect(copy == original)
            #expect(copy.changes(to: original).isEmpty)
        }
    }

    @Test func aFileNameCannotBreakTheDump() throws {
        let source = ConfigurationSource(path: "a\nMaxKeys=1.conf", bytes: Array("[Limits]\nMaxKeys=99".utf8))
        let dump = try Configuration(sources: [source], rules: sampleRules).dump
        #expect(dump.contains("# a\\x0aMaxKeys=1.conf:2\nMaxKeys=99\n"))
    }

    @Test func configurationsWithDifferentValuesDiffer() throws {
        let defaults = try configuration()
        let others = [
            "[Daemon]\nBackend=libbpf", "[Daemon]\nBpftracePath=/bpftrace", "[Daemon]\nAccountingIntervalSec=1",
            "[Limits]\nMaxKeys=99", "[Script x]\nPath=/x",
            "[Limits]\nMaxMemory=2000", "[Metrics]\nTextFile=/x.prom", "[Metrics]\nIntervalSec=1",
            "[Trust]\nWatchInterfaces=eth*", "[Rule arp-trace]\nIgnoreMACs=02:*",
            "[TunGSO]\nEnabled=no", "[Rule arp-malformed]\nPriority=warning",
        ]
        for other in others {
            #expect(try configuration(other) != defaults, "\(other)")
        }
        #expect(try configuration("[Limits]\nMaxKeys=8192\n[Metrics]\nIntervalSec=15") == defaults)
    }

    @Test func longListsAreShortenedInChanges() throws {
        let list = (0..<100).map { "192.0.2.\($0)" }.joined(separator: " ")
        let changes = try configuration().changes(to: configuration("[Trust]\nServiceAddresses=\(list)"))
        #expect(changes == ["[Trust] ServiceAddresses: not set -> \(list.prefix(200))..."])
    }

    @Test func changesNameOldAndNewValues() throws {
        let old = try configuration("[Limits]\nDedupIntervalSec=60\n[Rule arp-malformed]\nRateLimitBurst=3")
        let new = try configuration(text)
        #expect(
            old.changes(to: new) == [
                "[Limits] DedupIntervalSec: 1min -> 1min 30s",
                "[Rule arp-malformed] RateLimitBurst: 3 -> not set",
                "[Rule gso-tiny-size] Priority: not set -> info",
                "[Rule gso-tiny-size] DedupIntervalSec: not set -> 1s 500ms",
                "[Rule gso-tiny-size] MinSegmentBytes: 48 -> 24",
            ])
    }
}
