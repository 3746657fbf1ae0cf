import AnomalyModel
import CDetectorEvents
import DaemonConfig
import Testing

@testable import Detectors

/// Judging in the daemon: what the configuration takes out, with the tables that it makes for the kernel.
@Suite struct HostTrustTests {
    private let judge: HostJudge
    private let lan: Lan

    init() throws {
        judge = try hostJudge(of: arp)
        lan = Lan(judge)
    }

    private func trust(_ text: String) throws {
        let source = ConfigurationSource(path: "1.conf", bytes: Array(text.utf8))
        let trust = KernelTrust(try Configuration(sources: [source], rules: allRules), rules: arp.rules)
        func mark(_ flags: UInt32, _ rules: UInt32) -> na_trust_mark { na_trust_mark(flags: flags, rules: rules) }
        let isComplete = judge.setTrust(
            globs: trust.globs,
            macs: trust.macs.map { ($0.prefix.bits, $0.prefix.length, mark($0.flags, $0.ignoredRules)) },
            addresses: trust.addresses.map { ($0.prefix.bits, $0.prefix.length, mark($0.flags, $0.ignoredRules)) },
            bindings: trust.bindings.map { ($0.address.bits, $0.mac.bits) })
        #expect(isComplete)
    }

    /// A reply from another Ethernet source than its sender, which nobody asked for.
    private func forge(_ shape: (inout arp_sight) -> Void = { _ in }) -> Set<arp_rule> {
        lan.hear { facts in
            facts.answers(2, to: 9)
            facts.eth_source = 0x0266_0000_0003
        } as: {
            shape(&$0)
        }.first?.rules ?? []
    }

    private static let forged: Set = [ARP_RULE_SENDER_MISMATCH, ARP_RULE_UNSOLICITED_REPLY]

    private func trusted(_ rule: arp_rule) -> UInt64 { judge.trusted(rule: Int(rule.rawValue)) }

    @Test func `nothing is trusted that was not named`() throws {
        #expect(forge() == Self.forged)
        try trust("[Trust]\nIgnoreInterfaces=tap*\nVirtualMACs=04:*\nServiceAddresses=198.51.100.0/24\n")
        #expect(forge() == Self.forged && trusted(ARP_RULE_SENDER_MISMATCH) == 0)
    }

    @Test(
        arguments: [
            ("[Trust]\nIgnoreInterfaces=eth*", []), ("[Trust]\nWatchInterfaces=tap*", []),
            ("[Rule arp-sender-mismatch]\nIgnoreInterfaces=eth0", [ARP_RULE_UNSOLICITED_REPLY]),
            ("[Rule arp-sender-mismatch]\nIgnoreMACs=02:66:00:00:00:02", [ARP_RULE_UNSOLICITED_REPLY]),
            ("[Rule arp-unsolicited-reply]\nIgnoreMACs=02:66:*", [ARP_RULE_SENDER_MISMATCH]),
            ("[Rule arp-sender-mismatch]\nIgnoreAddresses=192.0.2.0/24", [ARP_RULE_UNSOLICITED_REPLY]),
            ("[Trust]\nVirtualMACs=02:66:00:00:00:03", [ARP_RULE_UNSOLICITED_REPLY]),
            ("[Trust]\nServiceAddresses=192.0.2.2", [ARP_RULE_SENDER_MISMATCH]),
            ("[Trust]\nKnownBindings=192.0.2.2=02:66:00:00:00:02", []),
            ("[Trust]\nKnownBindings=192.0.2.9=02:66:00:00:00:09", forged),
        ] as [(String, Set<arp_rule>)])
    func `what is left of a forged reply`(text: String, left: Set<arp_rule>) throws {
        try trust(text)
        #expect(forge() == left)
        let isVirtual = text.contains("VirtualMACs")
        for rule in Self.forged { #expect(trusted(rule) == (left.contains(rule) || isVirtual ? 0 : 1), "\(rule)") }
    }

    @Test func `of prefixes that cover one another the longest counts, with the marks of all`() throws {
        try trust(
            """
            [Rule arp-sender-mismatch]
            IgnoreMACs=02:*
            IgnoreAddresses=0.0.0.0/0
            [Rule arp-unsolicited-reply]
            IgnoreMACs=02:66:00:00:00:02
            """)
        #expect(forge().isEmpty)
        #expect(trusted(ARP_RULE_SENDER_MISMATCH) == 1 && trusted(ARP_RULE_UNSOLICITED_REPLY) == 1)
    }

    @Test func `who has another's known address is told so`() throws {
        try trust("[Trust]\nKnownBindings=192.0.2.2=02:66:00:00:00:0a 192.0.2.2=02:66:00:00:00:0b\nVirtualMACs=02:66:*")
        let claim = lan.hear { $0.announces(2) }
        #expect(claim.map(\.rule) == [ARP_RULE_DUPLICATE_CLAIM])
        #expect(claim.map(\.detail) == [ARP_DETAIL_CLAIM_KNOWN_BINDING])
        for host: UInt64 in [10, 11] { #expect(lan.hear { $0.announces(host, address: 0xc000_0202) }.isEmpty) }
    }

    @Test func `a change of a trusted neighbour is no news, but for who is not to have the address`() throws {
        func change(_ mac: UInt64) -> [ArpEntry] {
            lan.change(ARP_CHANGE_UPDATE) { ($0.old_mac, $0.new_mac) = (0x0266_0000_0002, mac) }
        }
        try trust("[Trust]\nKnownBindings=192.0.2.2=02:66:00:00:00:03\n")
        #expect(change(0x0266_0000_0003).isEmpty && trusted(ARP_RULE_BINDING_CHANGE) == 1)
        #expect(change(0x0266_0000_0004).map(\.rule) == [ARP_RULE_BINDING_CHANGE])
        try trust("[Trust]\nServiceAddresses=192.0.2.2\n")
        #expect(change(0x0266_0000_0005).isEmpty)
        try trust("[Trust]\nIgnoreInterfaces=eth0\n")
        #expect(lan.change(ARP_CHANGE_FAILED).isEmpty && lan.change(ARP_CHANGE_NO_ROOM).isEmpty)
    }

    @Test func `trust is replaced as a whole, and what it excused stays counted`() throws {
        try trust("[Trust]\nIgnoreInterfaces=eth0\nVirtualMACs=02:*\nKnownBindings=192.0.2.2=02:66:00:00:00:02\n")
        #expect(forge().isEmpty)
        try trust("")
        #expect(forge() == Self.forged && trusted(ARP_RULE_UNSOLICITED_REPLY) == 1)
    }

    // MARK: Rules that are off, and the trace

    @Test func `a rule that is off breaks nothing, and leaves the entry to the next`() {
        judge.set(rule: Int(ARP_RULE_SENDER_MISMATCH.rawValue), isEnabled: false, threshold: 0)
        #expect(forge() == [ARP_RULE_UNSOLICITED_REPLY])
        judge.set(rule: Int(ARP_RULE_SENDER_MISMATCH.rawValue), isEnabled: true, threshold: 0)
        #expect(forge() == Self.forged)
        judge.set(rule: Int(NA_RULES_MAX), isEnabled: true, threshold: 0)
    }

    @Test func `a threshold counts from the next frame on`() {
        judge.set(rule: Int(ARP_RULE_REQUEST_FLOOD.rawValue), isEnabled: true, threshold: 1)
        #expect(lan.hear { $0.asks(of: 2, for: 9) }.isEmpty)
        #expect(lan.hear { $0.asks(of: 2, for: 9) }.map(\.rule) == [ARP_RULE_REQUEST_FLOOD])
    }

    @Test func `the trace tells every frame and every failure, besides what they break`() throws {
        judge.set(rule: Int(ARP_RULE_TRACE.rawValue), isEnabled: true, threshold: 0)
        #expect(lan.hear { $0.asks(of: 2, for: 9) }.map(\.rule) == [ARP_RULE_TRACE])
        #expect(lan.send(isProcess: 0) { $0.asks(of: 9, for: 2) }.map(\.rule) == [ARP_RULE_TRACE])
        let both = lan.hear { ($0.sender_mac, $0.eth_source) = (0, 0) }
        #expect(both.map(\.rule) == [ARP_RULE_TRACE, ARP_RULE_BAD_SENDER_MAC])
        let failed = lan.change(ARP_CHANGE_FAILED)
        #expect(failed.map(\.rule) == [ARP_RULE_TRACE, ARP_RULE_RESOLUTION_FAILED])
        #expect(failed.allSatisfy { $0.event.has_neighbour == 1 && $0.event.new_state == 0x20 })
        try trust("[Rule arp-trace]\nIgnoreInterfaces=eth0")
        #expect(lan.hear { $0.asks(of: 2, for: 9) }.isEmpty && trusted(ARP_RULE_TRACE) == 1)
    }
}
