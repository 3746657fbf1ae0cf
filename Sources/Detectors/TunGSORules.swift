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
            "gso-by-frags", detector: TunGSODetector.name, messageID: "f74a0011ad6c463a890f263d18dcaffd",
            priority: .critical, summary: "gso_size is the mark for a list of fragments, which only SCTP has"),
        Rule(
            "gso-tunnel-without-encapsulation", detector: TunGSODetector.name,
            messageID: "ba83ee1506fb4de7a742f51ae0ed57be", priority: .critical,
            summary: "a tunnel's gso_type without inner headers: segmenting it can crash the kernel"),
        Rule(
            "gso-unsupported-type", detector: TunGSODetector.name, messageID: "657bacff254b4015addd76b2c0d2453e",
            priority: .critical, summary: "a device is given a gso_type that it says it cannot take"),
        Rule(
            "gso-read-failed", detector: TunGSODetector.name, messageID: "70898ba2bc91422aa0d9f41f6bdfafb6",
            priority: .critical, summary: "the owner of a TUN/TAP could not read a GSO packet"),
        Rule(
            "gso-mixed-types", detector: TunGSODetector.name, messageID: "2607f237cdba4efaa2df6b04eced508b",
            priority: .error, summary: "gso_type names more than one protocol"),
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
            "gso-ecn-without-tcp", detector: TunGSODetector.name, messageID: "7b0ff80c717e4480ba5872feca22ff5d",
            priority: .warning, summary: "gso_type has the mark for TCP with ECN, but is not of TCP"),
        Rule(
            "gso-checksum-start", detector: TunGSODetector.name, messageID: "d369b4e6ad324baa8bfa167cbb976ff0",
            priority: .warning, summary: "the checksum does not start at the transport header"),
        Rule(
            "gso-length-mismatch", detector: TunGSODetector.name, messageID: "4ebb1f3918354e08bd1a371219158bdd",
            priority: .warning, summary: "the length in the IP header is not the packet's"),
        Rule(
            "gso-size-exceeds-payload", detector: TunGSODetector.name, messageID: "fa808f6603de470686c97b65bdbea4cf",
            priority: .warning, summary: "gso_size is not smaller than the data to segment"),
        Rule(
            "gso-segs-mismatch", detector: TunGSODetector.name, messageID: "20c39a4376f442229ef19a45e465d0b1",
            priority: .warning, summary: "gso_segs is not what gso_size makes of the data, or too many"),
        Rule(
            "gso-header-rejected", detector: TunGSODetector.name, messageID: "9e08df5321a34de6b094b19db3bc0cfa",
            priority: .warning, summary: "the kernel refused a virtio-net header written to a TUN, TAP or macvtap"),
        Rule(
            "gso-segmentation-refused", detector: TunGSODetector.name,
            messageID: "0596c5454c2e4c2c8bae922fa79c5bf6", priority: .warning,
            summary: "the kernel could not segment a packet and dropped it"),
        Rule(
            "gso-size-exceeds-mtu", detector: TunGSODetector.name, messageID: "21043433db6c496388e6d2b4dbcb2054",
            priority: .notice, summary: "segments longer than the device's MTU"),
        Rule(
            "gso-short-header", detector: TunGSODetector.name, messageID: "817f74eaf2e04eefa4cf3b8d0cb9dc39",
            priority: .info, summary: "a GSO packet whose IP header is not in its linear area"),
        Rule(
            "gso-ufo", detector: TunGSODetector.name, messageID: "c2b753a105f54c4b824b967780f28e8d",
            priority: .info, summary: "UDP fragmentation offload, which Linux only emulates"),
        Rule(
            "gso-without-checksum", detector: TunGSODetector.name, messageID: "e900cb18e6a447e7a834aba260f1cba8",
            priority: .info, summary: "a GSO packet whose checksum is not left to the kernel"),
        Rule(
            "gso-trace", detector: TunGSODetector.name, messageID: "f02571003a80485ba370c54c40229ea5",
            priority: .debug, isEnabledByDefault: false, summary: "every GSO packet to or from a TUN/TAP's owner",
            defaultDedupIntervalNanoseconds: 0),
    ]

    static let probes: [Probe] = [
        Probe(
            program: "on_netif_receive_skb_entry", hook: "netif_receive_skb_entry",
            lossWithout: "packets written to a TUN/TAP without NAPI", rules: received),
        Probe(
            program: "on_napi_gro_receive_entry", hook: "napi_gro_receive_entry",
            lossWithout: "packets written to a TUN/TAP with NAPI", rules: received),
        Probe(
            program: "on_napi_gro_frags_entry", hook: "napi_gro_frags_entry",
            lossWithout: "packets written to a TAP with NAPI fragments", rules: received),
        Probe(
            program: "on_net_dev_queue", hook: "net_dev_queue",
            lossWithout: "headers of GSO packets on their way to a TUN/TAP",
            rules: headerRules + names(GSO_RULE_SIZE_EXCEEDS_PAYLOAD, GSO_RULE_TRACE)),
        Probe(
            program: "on_net_dev_start_xmit", hook: "net_dev_start_xmit",
            lossWithout: "GSO metadata handed over to a TUN/TAP",
            rules: metadataRules + names(GSO_RULE_UNSUPPORTED_TYPE, GSO_RULE_TRACE)),
        Probe(
            program: "on_kfree_skb", hook: "kfree_skb", lossWithout: "GSO packets and headers the kernel refused",
            rules: names(GSO_RULE_READ_FAILED, GSO_RULE_HEADER_REJECTED, GSO_RULE_SEGMENTATION_REFUSED)),
    ]

    static let moduleMembers: [ModuleMember] = [
        ModuleMember(module: "tun", structure: "tun_file", member: "tun"),
        ModuleMember(module: "tun", structure: "tun_struct", member: "flags"),
        ModuleMember(module: "tun", structure: "tun_struct", member: "dev"),
        ModuleMember(module: "tap", structure: "tap_queue", member: "tap"),
        ModuleMember(module: "tap", structure: "tap_queue", member: "flags"),
        ModuleMember(module: "tap", structure: "tap_dev", member: "dev"),
    ]

    // As `gso_judge_packet()` has them.
    private static let metadataRules = names(
        GSO_RULE_SIZE_WITHOUT_TYPE, GSO_RULE_TYPE_WITHOUT_SIZE, GSO_RULE_SIZE_EXCEEDS_MTU)
    private static let headerRules = names(
        GSO_RULE_BY_FRAGS, GSO_RULE_TUNNEL_WITHOUT_ENCAPSULATION, GSO_RULE_MIXED_TYPES, GSO_RULE_IP_MISMATCH,
        GSO_RULE_L4_MISMATCH, GSO_RULE_TINY_SIZE, GSO_RULE_ECN_WITHOUT_TCP, GSO_RULE_CHECKSUM_START,
        GSO_RULE_LENGTH_MISMATCH, GSO_RULE_SEGS_MISMATCH, GSO_RULE_UFO, GSO_RULE_WITHOUT_CHECKSUM,
        GSO_RULE_SHORT_HEADER)
    private static let received = headerRules + metadataRules + names(GSO_RULE_TRACE)

    private static func names(_ numbers: gso_rule...) -> [RuleName] {
        numbers.map { all[Int($0.rawValue)].name }
    }
}
