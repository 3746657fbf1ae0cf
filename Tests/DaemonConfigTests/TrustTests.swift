import AnomalyModel
import DaemonConfig
import Testing

@Suite struct TrustTests {
    /// A setting as `--dump-config` shows it.
    private func value(_ key: String, _ section: String = "Trust", in configuration: Configuration) -> String? {
        configuration.settings.first { $0.section == section && $0.key == key }?.value
    }

    @Test func nothingIsTrustedByDefault() throws {
        let defaults = try configuration()
        #expect(defaults.trust == (try configuration("[Trust]\nKnownBindings=\nWatchInterfaces=")).trust)
        #expect(defaults.trust.virtualMACs.isEmpty && defaults.trust.knownBindings.isEmpty)
        #expect(defaults.trust.serviceAddresses.isEmpty)
        #expect(defaults.trust.watchInterfaces.isEmpty && defaults.trust.ignoreInterfaces.isEmpty)
        #expect(defaults.rules.values.allSatisfy { $0.ignoreInterfaces.isEmpty && $0.ignoreMACs.isEmpty })
    }

    @Test func everyListIsReadInItsOrder() throws {
        let all = try configuration(trustText)
        #expect(all.trust.virtualMACs.map(\.bits) == [0x0200_5e00_0100, 0x0280_0000_0000, 0x0a00_0000_0007])
        #expect(all.trust.virtualMACs.map(\.length) == [40, 9, 48])
        #expect(all.trust.knownBindings.map(\.address.bits) == [0xc000_0201, 0xc000_0201])
        #expect(all.trust.knownBindings.map(\.mac.bits) == [0x0200_0000_000a, 0x0200_0000_000b])
        #expect(all.trust.serviceAddresses.map(\.bits) == [0xc000_02c8, 0xc633_6400])
        #expect(all.trust.serviceAddresses.map(\.length) == [32, 24])
        #expect(all.trust.watchInterfaces.map(\.text) == ["eth[0-9]", "!x"])
        #expect(all.trust.ignoreInterfaces.map(\.text) == ["docker*", "veth?"])
        let malformed = try settings(of: "arp-malformed", in: all)
        #expect(malformed.ignoreInterfaces.map(\.text) == ["br-*"])
        #expect(malformed.ignoreMACs.map(\.length) == [0, 24] && malformed.ignoreAddresses.map(\.length) == [0])
        #expect(try settings(of: "gso-tiny-size", in: all).ignoreInterfaces.map(\.text) == ["tap*"])
    }

    @Test func listsAreShownInCanonicalForm() throws {
        let all = try configuration(trustText)
        #expect(value("VirtualMACs", in: all) == "02:00:5e:00:01:* 02:80:00:00:00:00/9 0a:00:00:00:00:07")
        #expect(value("KnownBindings", in: all) == "192.0.2.1=02:00:00:00:00:0a 192.0.2.1=02:00:00:00:00:0b")
        #expect(value("ServiceAddresses", in: all) == "192.0.2.200 198.51.100.0/24")
        #expect(value("WatchInterfaces", in: all) == "eth[0-9] !x")
        #expect(value("IgnoreMACs", "Rule arp-malformed", in: all) == "* 02:00:00:*")
        #expect(value("IgnoreAddresses", "Rule arp-malformed", in: all) == "0.0.0.0/0")
        #expect(value("IgnoreMACs", "Rule gso-tiny-size", in: all) == nil)
    }

    @Test func aLaterFileReplacesAList() throws {
        let later = try configuration(trustText, "[Trust]\nIgnoreInterfaces=wlan0\nServiceAddresses=")
        #expect(later.trust.ignoreInterfaces.map(\.text) == ["wlan0"])
        #expect(later.trust.serviceAddresses.isEmpty && later.trust.knownBindings.count == 2)
    }

    @Test(arguments: [
        (
            "VirtualMACs=02:00:5e",
            "13: error: VirtualMACs: expected a MAC such as 02:00:5e:00:01:05, or a prefix such as 02:00:5e:* or "
                + "02:00:5e:00:01:00/44, found '02:00:5e'"
        ),
        (
            "VirtualMACs=02:* 02:00:5e:00:01:05/40",
            "18: error: VirtualMACs: '02:00:5e:00:01:05/40' has bits set beyond its prefix, did you mean "
                + "'02:00:5e:00:01:*'?"
        ),
        (
            "VirtualMACs=02:00:5e:00:01:05/47",
            "13: error: VirtualMACs: '02:00:5e:00:01:05/47' has bits set beyond its prefix, did you mean "
                + "'02:00:5e:00:01:04/47'?"
        ),
        ("VirtualMACs=02:* 02:00:00:00:00:00/8", "18: error: VirtualMACs: '02:00:00:00:00:00/8' is listed twice"),
        (
            "KnownBindings=10.0.0.1",
            "15: error: KnownBindings: '10.0.0.1' needs a MAC, as in 10.0.0.1=02:00:00:00:00:01"
        ),
        (
            "KnownBindings=02:00:00:00:00:01=10.0.0.1",
            "15: error: KnownBindings: expected IP=MAC, as in 192.0.2.1=02:00:00:00:00:01, found "
                + "'02:00:00:00:00:01=10.0.0.1'"
        ),
        (
            "KnownBindings=10.0.0.1=02:00:00:00:00:*",
            "15: error: KnownBindings: expected a MAC such as 02:00:00:00:00:01 after '10.0.0.1=', found "
                + "'02:00:00:00:00:*'"
        ),
        (
            "KnownBindings=10.0.0.1=02:00:00:00:00:0A 10.0.0.1=02:00:00:00:00:0a",
            "42: error: KnownBindings: '10.0.0.1=02:00:00:00:00:0a' is listed twice"
        ),
        (
            "ServiceAddresses=10.0.0.1/24",
            "18: error: ServiceAddresses: '10.0.0.1/24' has bits set beyond its prefix, did you mean '10.0.0.0/24'?"
        ),
        (
            "ServiceAddresses=10.0.0.1, 10.0.0.2",
            "18: error: ServiceAddresses: expected spaces, not commas, between entries, found '10.0.0.1,'"
        ),
        (
            "WatchInterfaces=eth0:1",
            "17: error: WatchInterfaces: no interface name has a '/' or ':', found 'eth0:1'"
        ),
        (
            "IgnoreInterfaces=eth* interface-name16",
            "23: error: IgnoreInterfaces: no interface name is longer than 15 bytes, found 'interface-name16'"
        ),
        ("WatchInterfaces=eth[0-9", "17: error: WatchInterfaces: expected ']' after '[', found 'eth[0-9'"),
        ("WatchInterfaces=[]", "17: error: WatchInterfaces: expected ']' after '[', found '[]'"),
        (
            "WatchInterfaces=eth[9-0]",
            "17: error: WatchInterfaces: a range goes from a lower to a higher ASCII character, found 'eth[9-0]'"
        ),
        ("WatchInterfaces=[^0]", "17: error: WatchInterfaces: '[^' is written '[!' here, found '[^0]'"),
        (
            "WatchInterfaces=[[:digit:]]",
            "17: error: WatchInterfaces: between '[' and ']' only ASCII without '[' may stand, found '[[:digit:]]'"
        ),
        (
            "WatchInterfaces=[\u{e9}]",
            "17: error: WatchInterfaces: between '[' and ']' only ASCII without '[' may stand, found '[\u{e9}]'"
        ),
    ])
    func everyProblemOfAListIsNamedAtTheEntry(line: String, problem: String) {
        #expect(errors("[Trust]\n\(line)") == ["1.conf:2:\(problem)"])
    }

    @Test(arguments: [
        "1", "02:00:5e:00:01:05:06", "2:0:5e:0:1:5", "02-00-5e-00-01-05", "+2:00:5e:00:01:05", "02:00:5e:00:01:0g",
        "02:00:5e:00:01:05/49", "02:00:5e:00:01:05/", "02:00:5e:00:01:05/048", "02:00:5e:00:01:05:*", "02*", ":*", "**",
        "02:00:5e:*/24",
    ])
    func otherTextIsNoMAC(text: String) {
        #expect(errors("[Trust]\nVirtualMACs=\(text)").count == 1)
    }

    @Test(arguments: [
        "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.+4", "1.2.3.", "1..3.4", "1.2.3.4/33", "1.2.3.4/",
        "1.2.3.4/032", "1.2.3.4/-1", "2001:db8::1", "1.2.3.\u{0664}",
    ])
    func otherTextIsNoAddress(text: String) {
        #expect(errors("[Rule arp-trace]\nIgnoreAddresses=\(text)").count == 1)
    }

    @Test func aProblemInAContinuedListStandsOnItsLine() {
        let text =
            "[Trust]\nKnownBindings=10.0.0.1=02:00:00:00:00:01 \\\n# 2\n  10.0.0.2\\\n  10.0.0.3=02:00:00:00:00:03"
        #expect(
            errors(text) == [
                "1.conf:4:3: error: KnownBindings: '10.0.0.2' needs a MAC, as in 10.0.0.2=02:00:00:00:00:01"
            ])
    }

    @Test func addressesAreIgnoredInRulesOfARPOnly() {
        #expect(
            errors("[Rule gso-tiny-size]\nIgnoreMACs=02:*\n[ARP]\nIgnoreInterfaces=x") == [
                "1.conf:2:1: error: unknown key 'IgnoreMACs' in [Rule gso-tiny-size], known in [Rule arp-<name>]",
                "1.conf:4:1: error: unknown key 'IgnoreInterfaces' in [ARP], known in [Trust], [Rule <name>]",
            ])
    }
}
