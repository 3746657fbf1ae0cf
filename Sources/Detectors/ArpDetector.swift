public import AnomalyModel
public import CDetectorEvents

/// Abnormal ARP, RFC 826 and RFC 5227, and the neighbour table's surprises.
public enum ArpDetector: Detector {
    /// As in journal and configuration.
    public static let name = DetectorName("arp")
    /// `bpf/arp.bpf.c`, compiled.
    public static let object = ProbeObject.arp
    /// In the order of the rules' numbers.
    public static let rules = ArpRules.all
    /// In the order of the probes' numbers.
    public static let probes = ArpRules.probes

    /// The common head.
    public static func head(of event: arp_event) -> na_event_head { event.head }

    /// From all that the event tells.
    public static func finding(in event: arp_event, rule: Rule) -> Finding {
        finding(ArpFacts(event), key: event.head.key, rule: rule)
    }

    /// From what the key remembers.
    public static func finding(in summary: na_event_head, rule: Rule) -> Finding {
        finding(ArpFacts(summary: summary), key: summary.key, rule: rule)
    }

    private static func finding(_ facts: ArpFacts, key: na_key, rule: Rule) -> Finding {
        let detail = arp_detail(UInt32(key.detail))
        return Finding(
            message: ArpSentences.sentence(facts, detail: detail, rule: arp_rule(UInt32(key.rule))),
            priority: ArpWords.priority(of: detail, rule: rule, isGateway: facts.isGateway),
            fields: (ArpWords.subcase(detail).map { [Field(.detail, $0)] } ?? []) + facts.fields)
    }
}
