import AnomalyModel
import DaemonConfig
import Testing

@Suite struct KernelTrustTests {
    private let arpRules = sampleRules.filter { $0.detector == DetectorName("arp") }

    /// `PREFIX flags rules` of each mark.
    private func shown<Prefix>(_ marks: [KernelTrust.Mark<Prefix>]) -> [String] {
        marks.map { "\($0.prefix) \($0.flags) \($0.ignoredRules)" }
    }

    @Test func aPrefixHasTheMarksOfAllThatCoverIt() throws {
        let trust = KernelTrust(
            try configuration(
                """
                [Trust]
                VirtualMACs=02:00:5e:* 02:00:5e:00:01:07
                ServiceAddresses=10.0.0.0/8
                [Rule arp-malformed]
                IgnoreMACs=02:00:5e:00:01:* 02:00:5f:*
                IgnoreAddresses=10.1.2.3 10.1.0.0/16 10.2.0.0/16 11.0.0.1
                [Rule arp-trace]
                IgnoreMACs=02:* 02:00:5e:00:01:06
                IgnoreAddresses=10.1.2.3 10.2.0.1
                """), rules: arpRules)
        #expect(
            shown(trust.macs) == [
                "02:* 0 4", "02:00:5e:* 1 4", "02:00:5e:00:01:* 1 5", "02:00:5e:00:01:06 1 5", "02:00:5e:00:01:07 1 5",
                "02:00:5f:* 0 5",
            ])
        #expect(
            shown(trust.addresses) == [
                "10.0.0.0/8 1 0", "10.1.0.0/16 1 1", "10.1.2.3 1 5", "10.2.0.0/16 1 1", "10.2.0.1 1 5", "11.0.0.1 0 1",
            ])
    }

    @Test func marksAreThoseOfEveryCoveringPrefixWhateverTheOrder() throws {
        // Nested and neighbouring prefixes, compared with the definition.
        let prefixes = [
            "0.0.0.0/0", "128.0.0.0/1", "192.0.0.0/2", "192.0.2.0/24", "192.0.2.1", "192.0.3.0/24", "0.0.0.0/32",
        ]
        for rotation in prefixes.indices {
            let order = Array(prefixes[rotation...] + prefixes[..<rotation])
            let sections = zip(order, ["malformed", "address-conflict", "trace"]).map {
                "[Rule arp-\($1)]\nIgnoreAddresses=\($0)\n"
            }
            let text = sections.joined() + "[Trust]\nServiceAddresses=" + order.dropFirst(3).joined(separator: " ")
            let read = try configuration(text)
            let trust = KernelTrust(read, rules: arpRules)
            #expect(trust.addresses.count == prefixes.count)
            for mark in trust.addresses {
                func covers(_ other: IPv4Prefix) -> Bool {
                    let mask = other.length == 0 ? 0 : UInt32.max << UInt32(32 - other.length)
                    return other.length <= mark.prefix.length && mark.prefix.bits & mask == other.bits
                }
                let bits = arpRules.enumerated().filter {
                    read.rules[$0.element.name]?.ignoreAddresses.contains(where: covers) == true
                }
                #expect(mark.ignoredRules == bits.reduce(0) { $0 | 1 << UInt32($1.offset) }, "\(mark.prefix)")
                #expect(mark.flags == (read.trust.serviceAddresses.contains(where: covers) ? 1 : 0), "\(mark.prefix)")
            }
        }
    }

    @Test func rulesOfOtherDetectorsDoNotCount() throws {
        let read = try configuration("[Rule gso-tiny-size]\nIgnoreInterfaces=tap*")
        let none = KernelTrust(try configuration(), rules: arpRules)
        #expect(KernelTrust(read, rules: arpRules) == none)
        #expect(KernelTrust(read, rules: sampleRules).globs != none.globs)
    }

    @Test func boundAddressesAreNamedOnce() throws {
        let trust = KernelTrust(try configuration(trustText), rules: arpRules)
        #expect(trust.bindings.map(\.description) == ["192.0.2.1=02:00:00:00:00:0a", "192.0.2.1=02:00:00:00:00:0b"])
        #expect(trust.boundAddresses.map(\.description) == ["192.0.2.1"])
    }
}
