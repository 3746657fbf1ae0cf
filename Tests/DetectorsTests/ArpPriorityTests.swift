import AnomalyModel
import CDetectorEvents
import Detectors
import Testing

/// How urgent each sub-case is: as its rule, unless it stands here.
@Suite struct ArpPriorityTests {
    /// Sub-cases that differ from their rule, with what they are when they concern the default gateway.
    private static let special: [UInt32: (Priority, gateway: Priority)] = [
        ARP_DETAIL_KNOWN_OPERATION.rawValue: (.info, .info),
        ARP_DETAIL_CONFLICT_PROBE.rawValue: (.notice, .notice),
        ARP_DETAIL_CONFLICT_TAKEOVER.rawValue: (.notice, .notice),
        ARP_DETAIL_SPOOF_ANNOUNCED.rawValue: (.notice, .notice),
        ARP_DETAIL_BINDING_APPLIED.rawValue: (.warning, .error),
        ARP_DETAIL_BINDING_REJECTED.rawValue: (.warning, .error),
        ARP_DETAIL_BINDING_VIRTUAL.rawValue: (.notice, .notice),
        ARP_DETAIL_BINDING_ANNOUNCED.rawValue: (.notice, .notice),
        ARP_DETAIL_BINDING_ANSWERED.rawValue: (.notice, .warning),
        ARP_DETAIL_BINDING_SECOND_ANSWER.rawValue: (.notice, .warning),
        ARP_DETAIL_BINDING_RETURNED.rawValue: (.notice, .notice),
        ARP_DETAIL_CLAIM_UNASKED.rawValue: (.warning, .error),
        ARP_DETAIL_CLAIM_ALTERNATING.rawValue: (.warning, .error),
        ARP_DETAIL_CLAIM_BOTH_ANSWER.rawValue: (.notice, .warning),
        ARP_DETAIL_CLAIM_ONE_HOST.rawValue: (.notice, .notice),
        ARP_DETAIL_CLAIM_MOVED.rawValue: (.notice, .notice),
        ARP_DETAIL_CLAIM_KNOWN_BINDING.rawValue: (.error, .error),
        ARP_DETAIL_MANY_SERVED.rawValue: (.notice, .notice),
        ARP_DETAIL_SCAN_BY_PROCESS.rawValue: (.warning, .warning),
        ARP_DETAIL_FAILED_REPEATEDLY.rawValue: (.warning, .warning),
    ]

    private func expected(_ rule: arp_rule, _ detail: arp_detail, isGateway: Bool) -> Priority {
        if let special = Self.special[detail.rawValue] { return isGateway ? special.gateway : special.0 }
        switch rule {
        case ARP_RULE_BOGON_SENDER where detail == ARP_DETAIL_NONE: return .info
        case ARP_RULE_RESOLUTION_FAILED where isGateway: return .warning
        default: return arp.rules[Int(rule.rawValue)].priority
        }
    }

    @Test(arguments: [false, true]) func everySubCaseHasItsPriority(isGateway: Bool) throws {
        for (rule, detail) in arpSubcases {
            var event = sampleArpEvent(rule, detail: detail)
            event.head.is_gateway = isGateway ? 1 : 0
            let priority = expected(rule, detail, isGateway: isGateway)
            #expect(try decode(event, as: arp).priority == priority, "\(rule) \(detail)")
            // A summary of the same is as urgent.
            event.head.kind = NA_KIND_SUMMARY.rawValue
            #expect(try decode(event.head, as: arp).priority == priority, "\(rule) \(detail)")
        }
    }

    @Test func theGatewayIsMarked() throws {
        for kind in [NA_KIND_EVENT, NA_KIND_SUMMARY] {
            for isGateway in [false, true] {
                var event = sampleArpEvent(ARP_RULE_DUPLICATE_CLAIM, detail: ARP_DETAIL_CLAIM_UNASKED)
                (event.head.kind, event.head.is_gateway) = (kind.rawValue, isGateway ? 1 : 0)
                let anomaly = kind == NA_KIND_EVENT ? try decode(event, as: arp) : try decode(event.head, as: arp)
                #expect(anomaly.fieldLines.contains("GATEWAY=yes") == isGateway)
                #expect(anomaly.message.contains("the default gateway") == isGateway)
            }
        }
    }
}
