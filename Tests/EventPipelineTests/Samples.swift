import AnomalyModel
import EventPipeline

/// Seconds as the pipeline counts time.
func seconds(_ number: UInt64) -> UInt64 { number * 1_000_000_000 }

/// The same numbers on every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

let conflict = Rule(
    "arp-address-conflict", detector: DetectorName("arp"), messageID: "0123456789abcdef0123456789abcdef",
    priority: .warning, summary: "two machines claim one address")
let tinySize = Rule(
    "gso-tiny-size", detector: DetectorName("tun-gso"), messageID: "fedcba9876543210fedcba9876543210",
    priority: .notice, summary: "a segment size that makes thousands of packets")

func anomaly(
    _ rule: Rule = conflict, key: UInt64 = 1, at boottime: UInt64 = 0, kind: Anomaly.Kind = .event,
    suppressed: UInt64 = 0, also: [RuleName] = []
) -> Anomaly {
    var anomaly = Anomaly(
        rule: rule, priority: rule.priority, kind: kind, message: "192.0.2.1 is claimed twice",
        key: AnomalyKey(
            rule: rule.name, networkNamespace: 4_026_531_840, interfaceIndex: 2, detail: 0, words: [key]),
        boottimeNanoseconds: boottime, firstBoottimeNanoseconds: boottime, lastBoottimeNanoseconds: boottime,
        suppressed: suppressed, probe: "tp_btf:netif_receive_skb", interfaceName: "eth0", direction: .receive,
        pid: 42, command: "arpspoof", controlGroup: "test.scope", stack: [0xffff_ffff_8123_4567], dropLocation: 0,
        fields: [Field(.arpOperation, "reply"), Field(.arpSenderIP, "192.0.2.1")])
    anomaly.also = also
    return anomaly
}

/// Limits in seconds; no rate limit unless a burst is given.
func limits(dedup: UInt64, interval: UInt64 = 0, burst: UInt32 = 0) -> RuleLimits {
    RuleLimits(
        dedupIntervalNanoseconds: seconds(dedup), rateLimitIntervalNanoseconds: seconds(interval),
        rateLimitBurst: burst)
}
