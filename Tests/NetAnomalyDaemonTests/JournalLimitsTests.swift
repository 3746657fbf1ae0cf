import AnomalyModel
import DaemonConfig
import Detectors
import EventPipeline
import Testing

@testable import NetAnomalyDaemon

@Suite struct JournalLimitsTests {
    /// As the unit sets them.
    private static let shipped = JournalLimits(
        unit: "netanomalyd.service", intervalNanoseconds: second, burst: 10_000, isStorageOff: false, maxLevel: .debug)

    private func notices(_ limits: JournalLimits, _ text: String = "") throws -> [DaemonNotice] {
        Notices.journalLimits(limits, try configuration(text), allRules)
    }

    @Test func `the configuration as it is shipped fits into the unit's limit`() throws {
        #expect(try notices(Self.shipped).isEmpty)
    }

    @Test func `journald's own limit is below what an attacker can make us write`() throws {
        var limits = Self.shipped
        limits.intervalNanoseconds = 30 * second
        let notice = try #require(try notices(limits).first)
        #expect(notice.priority == .warning && notice.rule.text == "daemon-journal-limit")
        #expect(notice.message.contains("10000 of a kind in 30.0 s from netanomalyd.service"))
    }

    @Test func `a burst that is raised above the unit's limit is told with the number of entries`() throws {
        let text = "[Limits]\nRateLimitBurst=1\n[Rule arp-malformed]\nRateLimitBurst=20000\nRateLimitIntervalSec=1s\n"
        let notice = try #require(try notices(Self.shipped, text).first)
        #expect(notice.message.contains("of priority warning"))
        // A burst and what one second gives back, and summaries of two sweeps in both detectors; others nearly nothing.
        let most = Self.shipped.mostWritten(try configuration(text), allRules)
        #expect((40_000...45_000).contains(most.entries))
        #expect(try notices(Self.shipped, text + "Enabled=no\n").isEmpty)
    }

    @Test func `no limit is no reason to speak`() throws {
        var limits = Self.shipped
        (limits.unit, limits.burst) = (nil, 1)
        #expect(try notices(limits).isEmpty)
        limits = Self.shipped
        (limits.intervalNanoseconds, limits.burst) = (0, 1)
        #expect(try notices(limits).isEmpty)
        (limits.intervalNanoseconds, limits.burst) = (second, 0)
        #expect(try notices(limits).isEmpty)
    }

    @Test func `a level that drops what is written is told`() throws {
        var limits = Self.shipped
        limits.maxLevel = .info
        #expect(try notices(limits).isEmpty)
        #expect(try notices(limits, "[Rule arp-trace]\nEnabled=yes\n").first?.message.contains("down to debug") == true)
        limits.maxLevel = .notice
        #expect(try notices(limits).first?.message.contains("less urgent than notice") == true)
    }

    @Test func `no storage is told, and nothing about levels besides`() throws {
        var limits = Self.shipped
        (limits.isStorageOff, limits.maxLevel) = (true, .emergency)
        let all = try notices(limits)
        #expect(all.count == 1 && all[0].message.contains("Storage=none"))
    }

    @Test func `no storage is as it should be where a syslog daemon gets the messages`() throws {
        var limits = Self.shipped
        (limits.isStorageOff, limits.isForwarded, limits.maxLevel) = (true, true, .emergency)
        #expect(try notices(limits).isEmpty)
        let tree = try FileTree()
        #expect(!JournalLimits.ofThisService(root: tree.root).isForwarded)
    }

    @Test(arguments: [
        ("0::/system.slice/netanomalyd.service\n", "netanomalyd.service"),
        ("1:name=systemd:/\n0::/a.slice/a-b.slice/x@1.service/sub\n", "x@1.service"),
        ("3:cpu:/x\n1:name=systemd:/system.slice/y.service\n0::/\n", "y.service"),
        ("0::/user.slice/user-0.slice/session-1.scope\n", "session-1.scope"),
        ("0::/\n", nil), ("", nil), ("0::/docker/abc\n", nil), ("0::/a.slice\n", nil), ("nonsense", nil),
    ])
    func `the unit is in the control group's path`(text: String, unit: String?) {
        #expect(JournalLimits.unit(controlGroups: text) == unit)
    }

    @Test func `what systemd tells journald about the unit is taken from its links`() throws {
        let tree = try FileTree()
        try tree.write("proc/self/cgroup", "0::/system.slice/x.service\n")
        let units = "run/systemd/units/"
        try tree.link(units + "log-rate-limit-interval:x.service", to: "1000000")
        try tree.link(units + "log-rate-limit-burst:x.service", to: "77")
        try tree.link(units + "log-level-max:x.service", to: "4")
        let limits = JournalLimits.ofThisService(root: tree.root)
        #expect(limits.unit == "x.service" && limits.intervalNanoseconds == second && limits.burst == 77)
        #expect(limits.maxLevel <= .warning)
    }
}
