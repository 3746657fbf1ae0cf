/// The name of a journal field; all of ours are here, in netanomalyd-fields(7), and nowhere else.
///
/// Scripts of the administrator's own add theirs under ``scriptPrefix``.
public enum FieldName: String, Sendable, CaseIterable {
    case message = "MESSAGE"
    case messageID = "MESSAGE_ID"
    case priority = "PRIORITY"
    case syslogIdentifier = "SYSLOG_IDENTIFIER"
    case documentation = "DOCUMENTATION"

    case rule = "NETANOMALY_RULE"
    case also = "NETANOMALY_ALSO"
    case detector = "NETANOMALY_DETECTOR"
    case backend = "NETANOMALY_BACKEND"
    case probe = "NETANOMALY_PROBE"
    case function = "NETANOMALY_FUNCTION"
    case sequence = "NETANOMALY_SEQ"
    case boottime = "NETANOMALY_BOOTTIME_NS"
    case interfaceName = "NETANOMALY_IFNAME"
    case interfaceIndex = "NETANOMALY_IFINDEX"
    case masterName = "NETANOMALY_MASTER"
    case networkNamespace = "NETANOMALY_NETNS"
    case direction = "NETANOMALY_DIRECTION"
    case context = "NETANOMALY_CONTEXT"
    case pid = "NETANOMALY_PID"
    case command = "NETANOMALY_COMM"
    case controlGroup = "NETANOMALY_CGROUP"
    case stack = "NETANOMALY_STACK"
    case count = "NETANOMALY_COUNT"
    case suppressed = "NETANOMALY_SUPPRESSED"
    case firstBoottime = "NETANOMALY_FIRST_BOOTTIME_NS"
    case lastBoottime = "NETANOMALY_LAST_BOOTTIME_NS"

    case arpOperation = "NETANOMALY_ARP_OP"
    case arpSenderMAC = "NETANOMALY_ARP_SENDER_MAC"
    case arpSenderIP = "NETANOMALY_ARP_SENDER_IP"
    case arpTargetMAC = "NETANOMALY_ARP_TARGET_MAC"
    case arpTargetIP = "NETANOMALY_ARP_TARGET_IP"
    case ethernetSource = "NETANOMALY_ETH_SRC"
    case ethernetDestination = "NETANOMALY_ETH_DST"
    case vlan = "NETANOMALY_VLAN"
    case oldMAC = "NETANOMALY_OLD_MAC"
    case newMAC = "NETANOMALY_NEW_MAC"
    case oldNeighbourState = "NETANOMALY_NUD_OLD"
    case newNeighbourState = "NETANOMALY_NUD_NEW"
    case gateway = "NETANOMALY_GATEWAY"
    case neighbourEntries = "NETANOMALY_NEIGH_ENTRIES"
    case neighbourLimit = "NETANOMALY_NEIGH_LIMIT"
    case detail = "NETANOMALY_DETAIL"

    case dropReason = "NETANOMALY_DROP_REASON"
    case dropLocation = "NETANOMALY_DROP_LOCATION"

    case gsoType = "NETANOMALY_GSO_TYPE"
    case gsoTypeNames = "NETANOMALY_GSO_TYPE_NAMES"
    case gsoSize = "NETANOMALY_GSO_SIZE"
    case gsoSegments = "NETANOMALY_GSO_SEGS"
    case length = "NETANOMALY_LEN"
    case deviceKind = "NETANOMALY_DEV_KIND"
    case tunFlags = "NETANOMALY_TUN_FLAGS"
    case l3Source = "NETANOMALY_L3_SRC"
    case l3Destination = "NETANOMALY_L3_DST"
    case l4Protocol = "NETANOMALY_L4_PROTO"
    case l4SourcePort = "NETANOMALY_L4_SPORT"
    case l4DestinationPort = "NETANOMALY_L4_DPORT"
    case encapsulation = "NETANOMALY_ENCAPSULATION"
    case checksumState = "NETANOMALY_IP_SUMMED"
    case headers = "NETANOMALY_HEADERS"

    case balance = "NETANOMALY_BALANCE"
    case seen = "NETANOMALY_SEEN"
    case written = "NETANOMALY_WRITTEN"
    case deduplicated = "NETANOMALY_DEDUPLICATED"
    case limited = "NETANOMALY_LIMITED"
    case overflow = "NETANOMALY_OVERFLOW"
    case lostRing = "NETANOMALY_LOST_RING"
    case lostJournal = "NETANOMALY_LOST_JOURNAL"
    case pending = "NETANOMALY_PENDING"
    case lostBackend = "NETANOMALY_LOST_BACKEND"
    case firstSequence = "NETANOMALY_FIRST_SEQ"
    case lastSequence = "NETANOMALY_LAST_SEQ"
    case problem = "NETANOMALY_PROBLEM"
    case configurationFile = "NETANOMALY_CONFIG"
    case version = "NETANOMALY_VERSION"

    /// What the names of a script's own fields begin with; no name of ours does.
    public static let scriptPrefix = "NETANOMALY_SCRIPT_"
}

/// One journal field and its text.
public struct Field: Sendable, Equatable {
    /// As in the journal: one of ours, or a script's own.
    public let name: String
    /// Its value; may hold newlines, must not be empty.
    public var value: String

    /// Makes one of our fields.
    public init(_ name: FieldName, _ value: String) {
        self.name = name.rawValue
        self.value = value
    }

    /// Makes a script's own field: `saddr` becomes `NETANOMALY_SCRIPT_SADDR`.
    ///
    /// - Parameter scriptKey: lower-case ASCII letters, digits and underscores, at most 46: journald takes 64 in all.
    public init(scriptKey: String, _ value: String) {
        name = FieldName.scriptPrefix + scriptKey.uppercased()
        self.value = value
    }
}

/// One entry as it leaves the pipeline: ordered fields, ready for the journal, a JSON line or a terminal.
public struct Record: Sendable {
    /// The rule it stands under: one of a detector's, or one of the daemon's own `daemon-*`.
    public let rule: RuleName
    /// Other rules that share its fate.
    public let also: [RuleName]
    /// 1 if a seen event is lost when this record is; 0 for summaries and the daemon's own records.
    public let events: UInt64
    /// How urgent.
    public let priority: Priority
    /// All fields, `MESSAGE` first.
    public let fields: [Field]

    /// Makes a record.
    public init(rule: RuleName, also: [RuleName] = [], events: UInt64, priority: Priority, fields: [Field]) {
        self.rule = rule
        self.also = also
        self.events = events
        self.priority = priority
        self.fields = fields
    }

    /// The value of the first field of that name.
    public subscript(_ name: FieldName) -> String? {
        fields.first { $0.name == name.rawValue }?.value
    }
}
