public import AnomalyModel
public import CDetectorEvents

/// Abnormal GSO metadata of packets to and from the owner of a TUN, TAP, macvtap or ipvtap device.
public enum TunGSODetector: Detector {
    /// As in journal and configuration.
    public static let name = DetectorName("tun-gso")
    /// `bpf/tun_gso.bpf.c`, compiled.
    public static let object = ProbeObject.tunGso
    /// `bpf/tun_gso_cast.bpf.c`: Linux 6.2 and newer.
    public static let fasterObjects = [ProbeObject.tunGsoCast]
    /// In the order of `gso_member`.
    public static let moduleMembers = TunGSORules.moduleMembers
    /// In the order of the rules' numbers.
    public static let rules = TunGSORules.all
    /// In the order of the probes' numbers.
    public static let probes = TunGSORules.probes

    /// The common head.
    public static func head(of event: gso_event) -> na_event_head { event.head }

    /// From all that the event tells.
    public static func finding(in event: gso_event, rule: Rule) -> Finding {
        finding(GSOFacts(event), key: event.head.key, rule: rule)
    }

    /// From what the key remembers.
    public static func finding(in summary: na_event_head, rule: Rule) -> Finding {
        finding(GSOFacts(summary.key, interface: text(summary.ifname)), key: summary.key, rule: rule)
    }

    private static func finding(_ facts: GSOFacts, key: na_key, rule: Rule) -> Finding {
        let detail = gso_detail(UInt32(key.detail))
        return Finding(
            message: GSOSentences.sentence(facts, detail: detail, rule: gso_rule(UInt32(key.rule))),
            priority: GSOWords.priority(of: detail, rule: rule),
            fields: (GSOWords.subcase(detail).map { [Field(.detail, $0)] } ?? []) + facts.fields)
    }
}
