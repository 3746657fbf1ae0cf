/// A family of rules with one BPF object and one event layout: `arp`, `tun-gso`.
public struct DetectorName: Hashable, Sendable, CustomStringConvertible {
    /// As in `NETANOMALY_DETECTOR`.
    public let text: String

    /// Names a detector; nothing is checked, names are compile-time constants.
    public init(_ text: String) { self.text = text }

    /// The name as text.
    public var description: String { text }
}

/// The stable name of one anomaly, such as `arp-address-conflict`; scripts and dashboards match on it.
public struct RuleName: Hashable, Sendable, CustomStringConvertible {
    /// As in `NETANOMALY_RULE` and `[Rule <name>]`.
    public let text: String

    /// Names a rule; nothing is checked, names are compile-time constants.
    public init(_ text: String) { self.text = text }

    /// The name as text.
    public var description: String { text }
}

/// A journal message ID: 32 lower-case hex digits, drawn at random once per rule and never changed.
public struct MessageID: Hashable, Sendable, CustomStringConvertible {
    /// As in `MESSAGE_ID` and the catalog.
    public let text: String

    /// Takes the ID as `systemd-id128 new` printed it.
    public init(_ text: String) { self.text = text }

    /// The name as text.
    public var description: String { text }
}

/// A syslog priority (RFC 5424, section 6.2.1), as journald stores it.
public enum Priority: Int, Sendable, CaseIterable, Comparable {
    case emergency, alert, critical, error, warning, notice, info, debug

    /// The word a configuration file uses, as `systemd-analyze log-level` does: `crit`, `err`, `warning`.
    public var word: String {
        switch self {
        case .emergency: "emerg"
        case .alert: "alert"
        case .critical: "crit"
        case .error: "err"
        case .warning: "warning"
        case .notice: "notice"
        case .info: "info"
        case .debug: "debug"
        }
    }

    /// More urgent is smaller, as in syslog.
    public static func < (left: Priority, right: Priority) -> Bool { left.rawValue < right.rawValue }
}

/// A number of a rule that the administrator may change: `MinSegmentBytes=48` in `[Rule gso-tiny-size]`.
public struct RuleThreshold: Sendable, Equatable {
    /// The configuration key.
    public let key: String
    /// Used when the configuration does not name the key.
    public let defaultValue: UInt32
    /// What is accepted.
    public let range: ClosedRange<UInt32>
    /// What the number means, with its unit; shown in the manual and by `--list-rules`.
    public let meaning: String

    /// Describes one threshold.
    public init(key: String, defaultValue: UInt32, range: ClosedRange<UInt32>, meaning: String) {
        self.key = key
        self.defaultValue = defaultValue
        self.range = range
        self.meaning = meaning
    }
}

/// One named anomaly: everything that is known about it before it happens.
public struct Rule: Sendable {
    /// The stable name.
    public let name: RuleName
    /// The family it belongs to.
    public let detector: DetectorName
    /// Random, with a text in the message catalog.
    public let messageID: MessageID
    /// Used unless the configuration or the finding itself says otherwise.
    public let priority: Priority
    /// Whether the rule runs when the configuration does not mention it.
    public let isEnabledByDefault: Bool
    /// One line for `--list-rules` and the manual.
    public let summary: String
    /// The one number of the rule that can be configured, if there is one.
    public let threshold: RuleThreshold?
    /// Takes the place of `[Limits] DedupIntervalSec=` unless the configuration names an interval for the rule.
    public let defaultDedupIntervalNanoseconds: UInt64?

    /// Describes one rule.
    public init(
        _ name: String,
        detector: DetectorName,
        messageID: String,
        priority: Priority,
        isEnabledByDefault: Bool = true,
        summary: String,
        threshold: RuleThreshold? = nil,
        defaultDedupIntervalNanoseconds: UInt64? = nil
    ) {
        self.name = RuleName(name)
        self.detector = detector
        self.messageID = MessageID(messageID)
        self.priority = priority
        self.isEnabledByDefault = isEnabledByDefault
        self.summary = summary
        self.threshold = threshold
        self.defaultDedupIntervalNanoseconds = defaultDedupIntervalNanoseconds
    }
}
