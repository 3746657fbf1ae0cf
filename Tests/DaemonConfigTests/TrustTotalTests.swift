import DaemonConfig
import Testing

/// Lists that fill one table together.
@Suite struct TrustTotalTests {
    private func macs(_ range: Range<Int>) -> String {
        range.map { "02:00:00:00:0\($0 >> 8):\($0 & 255 < 16 ? "0" : "")\(String($0 & 255, radix: 16))" }
            .joined(separator: " ")
    }

    private func addresses(_ range: Range<Int>) -> String {
        range.map { "10.0.\($0 >> 8).\($0 & 255)" }.joined(separator: " ")
    }

    private func names(_ range: Range<Int>) -> String { range.map { "eth\($0)" }.joined(separator: " ") }

    @Test func aListOfItsOwnMayFillATable() throws {
        let full = try configuration(
            "[Trust]\nVirtualMACs=\(macs(0..<1024))\nServiceAddresses=\(addresses(0..<1024))\n"
                + "IgnoreInterfaces=\(names(0..<64))")
        #expect(full.trust.virtualMACs.count == Trust.maximumMACPrefixes)
        #expect(full.trust.serviceAddresses.count == Trust.maximumAddressPrefixes)
        #expect(full.trust.ignoreInterfaces.count == Trust.maximumInterfaceGlobs)
    }

    @Test func aListThatIsTooLongIsNamedAtItsFirstEntryTooMany() {
        let list = names(0..<65)
        #expect(
            errors("[Trust]\nWatchInterfaces=\(list)") == [
                "1.conf:2:\(17 + list.utf8.count - 5): error: WatchInterfaces: expected at most 64 entries"
            ])
        #expect(
            errors(
                "[Trust]\nKnownBindings="
                    + (0..<4097).map { "10.1.\($0 >> 8).\($0 & 255)=02:00:00:00:00:01" }
                    .joined(separator: " ")
            ).first?.hasSuffix("KnownBindings: expected at most 4096 entries") == true)
    }

    @Test func listsThatAreTooLongTogetherAreNamedAtTheLast() {
        #expect(
            errors(
                "[Rule arp-malformed]\nIgnoreMACs=\(macs(0..<600))\n[Trust]\nVirtualMACs=\(macs(600..<1024))",
                "[Rule arp-trace]\nIgnoreMACs=\(macs(1024..<1025))")
                == [
                    "2.conf:2:12: error: IgnoreMACs: expected at most 1024 different MAC prefixes in all VirtualMACs= "
                        + "and IgnoreMACs= together, found 1025"
                ])
        #expect(
            errors(
                "[Rule arp-trace]\nIgnoreAddresses=\(addresses(0..<1000))",
                "[Trust]\nServiceAddresses=\(addresses(1000..<1026))")
                == [
                    "2.conf:2:18: error: ServiceAddresses: expected at most 1024 different addresses and prefixes in "
                        + "all ServiceAddresses= and IgnoreAddresses= together, found 1026"
                ])
        #expect(
            errors("[Trust]\nIgnoreInterfaces=\(names(0..<64))\nWatchInterfaces=eth0") == [
                "1.conf:3:17: error: WatchInterfaces: expected at most 64 different patterns in all WatchInterfaces= "
                    + "and IgnoreInterfaces= together, found 65"
            ])
    }

    @Test func whatSeveralListsNameCountsOnce() throws {
        let same = try configuration(
            "[Trust]\nIgnoreInterfaces=\(names(0..<64))\n[Rule arp-trace]\nIgnoreInterfaces=\(names(0..<64))\n"
                + "IgnoreMACs=\(macs(0..<1024))\n[Rule arp-malformed]\nIgnoreMACs=\(macs(0..<1024))")
        #expect(try settings(of: "arp-trace", in: same).ignoreMACs.count == 1024)
    }
}
