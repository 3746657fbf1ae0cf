import AnomalyModel
import CDetectorEvents

/// The rules of the tun-gso detector; docs/netanomalyd.8 and the message catalog explain each at length.
enum TunGSORules {
    static let all: [Rule] = [
        Rule(
            "gso-size-without-type", detector: TunGSODetector.name, messageID: "32b1295df46b474db82a33c849f3d345",
            priority: .critical, summary: "gso_size is set but gso_type is not: the device's owner cannot read it"),
        Rule(
            "gso-type-without-size", detector: TunGSODetector.name, messageID: "21e9bc82f8db4bd2ab67b57e0c6b4cdb",
            priority: .critical, summary: "gso_type is set but gso_size is 0"),
        Rule(
            "gso-tunnel-without-encapsulation", detector: TunGSODetector.name,
            messageID: "ba83ee1506fb4de7a742f51ae0ed57be", priority: .critical,
            summary: "a tunnel's gso_type without inner headers: segmenting it can crash the kernel"),
        Rule(
            "gso-ip-mismatch", detector: TunGSODetector.name, messageID: "78ddf7f71e2b459ead82ef0467f5dcad",
            priority: .warning, summary: "gso_type speaks of another IP version than the packet's"),
        Rule(
            "gso-l4-mismatch", detector: TunGSODetector.name, messageID: "4763cdf59eb54bea8c31d814b64a47ac",
            priority: .warning, summary: "gso_type speaks of another transport protocol than the packet's"),
        Rule(
            "gso-tiny-size", detector: TunGSODetector.name, messageID: "18c3192faf1a49d5a5ad2572aa80de5c",
            priority: .warning, summary: "gso_size so small that one packet becomes hundreds",
            threshold: RuleThreshold(
                key: "MinSegmentBytes", defaultValue: 48, range: 8...1500,
                meaning: "smallest TCP segment size, in bytes, that is not reported")),
        Rule(
            "gso-header-rejected", detector: TunGSODetector.name, messageID: "9e08df5321a34de6b094b19db3bc0cfa",
            priority: .warning, summary: "the kernel refused a virtio-net header written to a TUN, TAP or macvtap"),
        Rule(
            "gso-segmentation-refused", detector: TunGSODetector.name,
            messageID: "0596c5454c2e4c2c8bae922fa79c5bf6", priority: .warning,
            summary: "the kernel could not segment a packet and dropped it"),
    ]

    static let probes: [Probe] = [
        Probe(
            program: "on_netif_receive_skb_entry", hook: "netif_receive_skb_entry",
            lossWithout: "packets written to a TUN/TAP without NAPI", rules: headerRules + metadataRules),
        Probe(
            program: "on_napi_gro_receive_entry", hook: "napi_gro_receive_entry",
            lossWithout: "packets written to a TUN/TAP with NAPI", rules: headerRules + metadataRules),
        Probe(
            program: "on_napi_gro_frags_entry", hook: "napi_gro_frags_entry",
            lossWithout: "packets written to a TAP with NAPI fragments", rules: headerRules + metadataRules),
        Probe(
            program: "on_net_dev_queue", hook: "net_dev_queue",
            lossWithout: "headers of GSO packets on their way to a TUN/TAP", rules: headerRules),
        Probe(
            program: "on_net_dev_start_xmit", hook: "net_dev_start_xmit",
            lossWithout: "GSO metadata handed over to a TUN/TAP", rules: metadataRules),
        Probe(
            program: "on_kfree_skb", hook: "kfree_skb", lossWithout: "GSO packets and headers the kernel refused",
            rules: names(GSO_RULE_HEADER_REJECTED, GSO_RULE_SEGMENTATION_REFUSED)),
    ]

    static let moduleMembers: [ModuleMember] = [
        ModuleMember(module: "tun", structure: "tun_file", member: "tun"),
        ModuleMember(module: "tun", structure: "tun_struct", member: "flags"),
        ModuleMember(module: "tun", structure: "tun_struct", member: "dev"),
        ModuleMember(module: "tap", structure: "tap_queue", member: "tap"),
        ModuleMember(module: "tap", structure: "tap_queue", member: "flags"),
        ModuleMember(module: "tap", structure: "tap_dev", member: "dev"),
    ]

    private static let metadataRules = names(GSO_RULE_SIZE_WITHOUT_TYPE, GSO_RULE_TYPE_WITHOUT_SIZE)
    private static let headerRules = names(
        GSO_RULE_TUNNEL_WITHOUT_ENCAPSULATION, GSO_RULE_IP_MISMATCH, GSO_RULE_L4_MISMATCH, GSO_RULE_TINY_SIZE)

    private static func names(_ numbers: gso_rule...) -> [RuleName] {
        numbers.map { all[Int($0.rawValue)].name }
    }
}
