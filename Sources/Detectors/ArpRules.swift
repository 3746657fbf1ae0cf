import AnomalyModel
import CDetectorEvents

/// The rules of the arp detector; docs/netanomalyd.8 and the message catalog explain each at length.
enum ArpRules {
    static let all: [Rule] = [
        Rule(
            "arp-table-overflow", detector: ArpDetector.name, messageID: "ff71279f2f3547efa2c87e7f0c416800",
            priority: .critical,
            summary: "the neighbour table is full: no new neighbour of any namespace can be reached"),
        Rule(
            "arp-address-conflict", detector: ArpDetector.name, messageID: "623cd35ba5974c7d96c4b616351b6484",
            priority: .critical, summary: "another station claims, or probes for, an address of ours"),
        Rule(
            "arp-malformed", detector: ArpDetector.name, messageID: "6a67e244abe1409dbd85abb3c3e7c0e0",
            priority: .warning, summary: "ARP frame too short, or with types, lengths or an operation Linux refuses"),
        Rule(
            "arp-bad-sender-mac", detector: ArpDetector.name, messageID: "034330c5846d4ad0b29d272aa5e4d429",
            priority: .error, summary: "sender MAC is zero, broadcast or multicast"),
        Rule(
            "arp-local-spoof", detector: ArpDetector.name, messageID: "67f4af876eeb40038348d388865c7d06",
            priority: .error, summary: "a local process sends ARP for an address that is not ours"),
        Rule(
            "arp-static-overwrite", detector: ArpDetector.name, messageID: "9349541bf24548a9bb09ab748489e1b0",
            priority: .error, summary: "somebody tries to change the MAC of a permanent neighbour"),
        Rule(
            "arp-flip-flop", detector: ArpDetector.name, messageID: "5b4517cdbfba49ceb0b69bce291f52c6",
            priority: .error, summary: "a neighbour's MAC goes back and forth",
            threshold: RuleThreshold(
                key: "MinChanges", defaultValue: 8, range: 2...100,
                meaning: "announced changes of a neighbour's MAC within 60 s that are too many")),
        Rule(
            "arp-binding-change", detector: ArpDetector.name, messageID: "3c9b8a6498b0490dbc644c4177dedfc3",
            priority: .warning, summary: "a known neighbour's MAC changed, or an attempt to change it was refused"),
        Rule(
            "arp-duplicate-claim", detector: ArpDetector.name, messageID: "f9776bd66ea94327a092e7ab8bdb261a",
            priority: .warning, summary: "two MACs claim one address",
            threshold: RuleThreshold(
                key: "MinChanges", defaultValue: 8, range: 2...100,
                meaning: "announced changes between claimants within 60 s that are too many")),
        Rule(
            "arp-bad-sender-ip", detector: ArpDetector.name, messageID: "edaffa33d11f4976a0d73c3df0982c2b",
            priority: .warning, summary: "sender IP is one that no host may have"),
        Rule(
            "arp-sender-mismatch", detector: ArpDetector.name, messageID: "a8367906792f468db2375a16f54fc220",
            priority: .warning, summary: "Ethernet source differs from the ARP sender MAC"),
        Rule(
            "arp-gratuitous-flood", detector: ArpDetector.name, messageID: "5a1756676c8f41408ca5de28d6ec0d35",
            priority: .warning, summary: "one address, or one station, is announced too often",
            threshold: RuleThreshold(
                key: "MaxAnnouncements", defaultValue: 12, range: 1...10000,
                meaning: "announcements of one address by one sender in 10 s that are not reported; in all, 20 times "
                    + "as many")),
        Rule(
            "arp-request-flood", detector: ArpDetector.name, messageID: "9ef9f28158ca406c927533a4d7e89928",
            priority: .warning, summary: "one station asks for one address too often",
            threshold: RuleThreshold(
                key: "MaxRequests", defaultValue: 5, range: 1...10000,
                meaning: "requests of one sender for one address in 2 s that are not reported")),
        Rule(
            "arp-many-addresses", detector: ArpDetector.name, messageID: "bcf3b4becfba4f0bbe7ccac3a05b45f2",
            priority: .warning, summary: "one MAC claims many addresses",
            threshold: RuleThreshold(
                key: "MaxAddresses", defaultValue: 32, range: 1...65535,
                meaning: "addresses of one MAC within 60 s that are not reported")),
        Rule(
            "arp-scan", detector: ArpDetector.name, messageID: "630a992b33d14f2ba9124e4c2ed289cf",
            priority: .notice, summary: "one station asks for many addresses",
            threshold: RuleThreshold(
                key: "MaxTargets", defaultValue: 64, range: 1...65535,
                meaning: "addresses that one sender asks for in 10 s that are not reported")),
        Rule(
            "arp-bogon-sender", detector: ArpDetector.name, messageID: "17f534ea9db04456a9a440f507e55dd8",
            priority: .notice, summary: "sender IP is of no subnet of the interface"),
        Rule(
            "arp-unsolicited-reply", detector: ArpDetector.name, messageID: "c8ad55412c744302b750796db3aac1ea",
            priority: .info, summary: "a reply to us that nobody asked for"),
        Rule(
            "arp-resolution-failed", detector: ArpDetector.name, messageID: "ae2f36c51d744de38f1048002e2a498a",
            priority: .info, summary: "a neighbour did not answer; packets to it were dropped",
            threshold: RuleThreshold(
                key: "MinFailures", defaultValue: 3, range: 1...1000,
                meaning: "failures of one neighbour within 60 s that deserve a warning")),
        Rule(
            "arp-dropped", detector: ArpDetector.name, messageID: "0aefa5d3bd4546029f7ffecca2b0573d",
            priority: .info, summary: "an ARP frame was dropped by a filter, a program or a full queue"),
        Rule(
            "arp-bad-target", detector: ArpDetector.name, messageID: "1b19e7a20026404da99eebbe0e4d9cbb",
            priority: .info, summary: "target IP is one that no host may have"),
        Rule(
            "arp-target-mismatch", detector: ArpDetector.name, messageID: "eff8955445564e5eb26c7328647c29a2",
            priority: .info, summary: "a reply is sent to one station and meant for another"),
        Rule(
            "arp-odd-delivery", detector: ArpDetector.name, messageID: "2e60ea85da5544e3b9f14d594b82d0c1",
            priority: .info, summary: "a reply for one is sent to all, or ours to somebody else"),
        Rule(
            "arp-on-noarp-device", detector: ArpDetector.name, messageID: "b08cce4a45f448e9af5f2d66a6cce49c",
            priority: .info, summary: "ARP arrives on an interface that has it switched off"),
        Rule(
            "arp-unicast-request", detector: ArpDetector.name, messageID: "ef32984016a841b1a297e791f097975d",
            priority: .info, isEnabledByDefault: false, summary: "a request is sent to one station only"),
        Rule(
            "arp-trace", detector: ArpDetector.name, messageID: "f7a43b12541f444cb037c0350ffe2ace",
            priority: .debug, isEnabledByDefault: false,
            summary: "every ARP frame, and every neighbour that does not answer",
            defaultDedupIntervalNanoseconds: 0),
    ]

    static let probes: [Probe] = [
        Probe(
            program: "on_netif_receive_skb", hook: "netif_receive_skb", lossWithout: "received ARP",
            rules: names(
                ARP_RULE_ADDRESS_CONFLICT, ARP_RULE_MALFORMED, ARP_RULE_BAD_SENDER_MAC, ARP_RULE_DUPLICATE_CLAIM,
                ARP_RULE_BAD_SENDER_IP, ARP_RULE_SENDER_MISMATCH, ARP_RULE_GRATUITOUS_FLOOD, ARP_RULE_REQUEST_FLOOD,
                ARP_RULE_MANY_ADDRESSES, ARP_RULE_SCAN, ARP_RULE_BOGON_SENDER, ARP_RULE_UNSOLICITED_REPLY,
                ARP_RULE_BAD_TARGET, ARP_RULE_TARGET_MISMATCH, ARP_RULE_ODD_DELIVERY, ARP_RULE_ON_NOARP_DEVICE,
                ARP_RULE_UNICAST_REQUEST, ARP_RULE_TRACE)),
        Probe(
            program: "on_net_dev_queue", hook: "net_dev_queue", lossWithout: "ARP that this host sends",
            rules: names(
                ARP_RULE_LOCAL_SPOOF, ARP_RULE_SENDER_MISMATCH, ARP_RULE_TARGET_MISMATCH, ARP_RULE_REQUEST_FLOOD,
                ARP_RULE_SCAN, ARP_RULE_TRACE)),
        Probe(
            program: "on_neigh_update", hook: "neigh_update", lossWithout: "changes of the neighbour table",
            rules: names(ARP_RULE_STATIC_OVERWRITE, ARP_RULE_FLIP_FLOP, ARP_RULE_BINDING_CHANGE)),
        Probe(
            program: "on_neigh_timer_handler", hook: "neigh_timer_handler",
            lossWithout: "neighbours that do not answer",
            rules: names(ARP_RULE_RESOLUTION_FAILED, ARP_RULE_TRACE)),
        Probe(
            program: "on_neigh_create", hook: "neigh_create", lossWithout: "a neighbour table that is full",
            rules: names(ARP_RULE_TABLE_OVERFLOW)),
        Probe(
            program: "on_kfree_skb", hook: "kfree_skb", lossWithout: "ARP that this host drops",
            rules: names(ARP_RULE_DROPPED)),
    ]

    private static func names(_ numbers: arp_rule...) -> [RuleName] {
        numbers.map { all[Int($0.rawValue)].name }
    }
}
