import AnomalyModel
import CDetectorEvents

/// The rules of the arp detector; docs/netanomalyd.8 and the message catalog explain each at length.
enum ArpRules {
    static let all: [Rule] = [
        Rule(
            "arp-malformed", detector: ArpDetector.name, messageID: "6a67e244abe1409dbd85abb3c3e7c0e0",
            priority: .warning, summary: "ARP frame too short, or with types, lengths or an operation Linux refuses"),
        Rule(
            "arp-bad-sender-mac", detector: ArpDetector.name, messageID: "034330c5846d4ad0b29d272aa5e4d429",
            priority: .error, summary: "sender MAC is zero, broadcast or multicast"),
        Rule(
            "arp-bad-sender-ip", detector: ArpDetector.name, messageID: "edaffa33d11f4976a0d73c3df0982c2b",
            priority: .warning, summary: "sender IP is one that no host may have"),
        Rule(
            "arp-address-conflict", detector: ArpDetector.name, messageID: "623cd35ba5974c7d96c4b616351b6484",
            priority: .critical, summary: "another station claims, or probes for, an address of ours"),
        Rule(
            "arp-local-spoof", detector: ArpDetector.name, messageID: "67f4af876eeb40038348d388865c7d06",
            priority: .error, summary: "a local process sends ARP for an address that is not ours"),
        Rule(
            "arp-sender-mismatch", detector: ArpDetector.name, messageID: "a8367906792f468db2375a16f54fc220",
            priority: .warning, summary: "Ethernet source differs from the ARP sender MAC"),
        Rule(
            "arp-binding-change", detector: ArpDetector.name, messageID: "3c9b8a6498b0490dbc644c4177dedfc3",
            priority: .warning, summary: "a known neighbour's MAC changed, or an attempt to change it was refused"),
        Rule(
            "arp-resolution-failed", detector: ArpDetector.name, messageID: "ae2f36c51d744de38f1048002e2a498a",
            priority: .info, summary: "a neighbour did not answer; packets to it were dropped"),
    ]

    static let probes: [Probe] = [
        Probe(
            program: "on_netif_receive_skb", hook: "netif_receive_skb", lossWithout: "received ARP",
            rules: names(
                ARP_RULE_MALFORMED, ARP_RULE_BAD_SENDER_MAC, ARP_RULE_BAD_SENDER_IP, ARP_RULE_ADDRESS_CONFLICT,
                ARP_RULE_SENDER_MISMATCH)),
        Probe(
            program: "on_net_dev_queue", hook: "net_dev_queue", lossWithout: "ARP sent by local processes",
            rules: names(ARP_RULE_LOCAL_SPOOF, ARP_RULE_SENDER_MISMATCH)),
        Probe(
            program: "on_neigh_update", hook: "neigh_update", lossWithout: "changes of the neighbour table",
            rules: names(ARP_RULE_BINDING_CHANGE)),
        Probe(
            program: "on_neigh_timer_handler", hook: "neigh_timer_handler",
            lossWithout: "neighbours that do not answer", rules: names(ARP_RULE_RESOLUTION_FAILED)),
    ]

    private static func names(_ numbers: arp_rule...) -> [RuleName] {
        numbers.map { all[Int($0.rawValue)].name }
    }
}
