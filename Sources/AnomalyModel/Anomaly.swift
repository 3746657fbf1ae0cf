/// What makes two events "the same" for deduplication: the rule, where it was seen, and what the rule is keyed by.
///
/// The words are filled by the program that saw the event (in the kernel for libbpf) and mean nothing here but identity.
public struct AnomalyKey: Hashable, Sendable {
    /// The rule that was broken.
    public var rule: RuleName
    /// Network namespace inode.
    public var networkNamespace: UInt32
    /// Interface index in that namespace; 0 where there is none.
    public var interfaceIndex: UInt32
    /// The sub-case of the rule.
    public var detail: UInt32
    /// Rule-specific identity: addresses, types, or hashes of them.
    public var words: [UInt64]

    /// Makes a key.
    public init(
        rule: RuleName, networkNamespace: UInt32, interfaceIndex: UInt32, detail: UInt32, words: [UInt64]
    ) {
        self.rule = rule
        self.networkNamespace = networkNamespace
        self.interfaceIndex = interfaceIndex
        self.detail = detail
        self.words = words
    }
}

/// As much of an event as decides whether it may be one of a kind that was told already.
public struct EventIdentity: Sendable {
    /// Identity for deduplication, which names the rule.
    public let key: AnomalyKey
    /// The other rules that the same packet breaks.
    public let also: [RuleName]
    /// CLOCK_BOOTTIME of the event, in the kernel.
    public let boottimeNanoseconds: UInt64

    /// Makes an identity.
    public init(key: AnomalyKey, also: [RuleName], boottimeNanoseconds: UInt64) {
        self.key = key
        self.also = also
        self.boottimeNanoseconds = boottimeNanoseconds
    }
}

/// Which way a packet went, as seen from the kernel's network stack.
public enum Direction: String, Sendable {
    case receive = "rx"
    case transmit = "tx"
}

/// What ran when the event was seen: decides whether PID and command mean anything.
public enum ExecutionContext: String, Sendable {
    /// A system call of the named process: it caused the event.
    case process
    /// Packet processing in softirq: the named process was merely interrupted.
    case softirq
    /// Softirq on an idle CPU: there is no process.
    case idle
}

/// One anomaly as a detector decoded it: complete in facts, not yet in names.
public struct Anomaly: Sendable {
    /// Whether it tells of an event or closes a key's account.
    public enum Kind: Sendable {
        /// A packet or state change that was seen; `suppressed` earlier ones of the same key ride along.
        case event
        /// No new event: `suppressed` events of a key that has gone quiet since its last entry.
        case summary
    }

    /// The rule that was broken.
    public var rule: Rule
    /// The other rules that the same packet breaks; each shares what becomes of this event.
    public var also: [RuleName] = []
    /// The rule's priority, or what this finding deserves.
    public var priority: Priority
    /// Event or summary.
    public var kind: Kind
    /// One plain sentence, without how often.
    public var message: String
    /// Identity for deduplication.
    public var key: AnomalyKey
    /// CLOCK_BOOTTIME of the event, in the kernel.
    public var boottimeNanoseconds: UInt64
    /// CLOCK_BOOTTIME of the first event of this key since the key was last forgotten.
    public var firstBoottimeNanoseconds: UInt64
    /// CLOCK_BOOTTIME of the newest event of this key.
    public var lastBoottimeNanoseconds: UInt64
    /// Events of this key since its last entry that got no entry of their own.
    public var suppressed: UInt64
    /// What ran the probe that saw it, as in `NETANOMALY_BACKEND`.
    public var backend = "libbpf"
    /// Mechanism and hook: `tp_btf:netif_receive_skb`.
    public var probe: String
    /// Interface name; nil where the kernel had none.
    public var interfaceName: String?
    /// The bridge or bond that the interface belongs to.
    public var masterName: String?
    /// Receive or transmit; nil for a state change.
    public var direction: Direction?
    /// Thread group ID of what ran, see `ExecutionContext`.
    public var pid: UInt32
    /// Command of what ran.
    public var command: String
    /// Name of the leaf control group of what ran; nil for the root group.
    public var controlGroup: String?
    /// Return addresses, innermost first; empty for a summary.
    public var stack: [UInt64]
    /// The same by name, where the program that saw the event named them; `stack` is empty then.
    public var frames: [String] = []
    /// The kernel code that dropped the packet; 0 where nothing was dropped.
    public var dropLocation: UInt64
    /// The running kernel's number for the reason; nil where nothing was dropped.
    public var dropReason: UInt32?
    /// Rule-specific journal fields, in order.
    public var fields: [Field]

    /// Makes an anomaly; used by decoders and tests.
    public init(
        rule: Rule, priority: Priority, kind: Kind, message: String, key: AnomalyKey,
        boottimeNanoseconds: UInt64, firstBoottimeNanoseconds: UInt64, lastBoottimeNanoseconds: UInt64,
        suppressed: UInt64, probe: String, interfaceName: String?, direction: Direction?,
        pid: UInt32, command: String, controlGroup: String?, stack: [UInt64], dropLocation: UInt64,
        dropReason: UInt32? = nil, fields: [Field]
    ) {
        self.rule = rule
        self.priority = priority
        self.kind = kind
        self.message = message
        self.key = key
        self.boottimeNanoseconds = boottimeNanoseconds
        self.firstBoottimeNanoseconds = firstBoottimeNanoseconds
        self.lastBoottimeNanoseconds = lastBoottimeNanoseconds
        self.suppressed = suppressed
        self.probe = probe
        self.interfaceName = interfaceName
        self.direction = direction
        self.pid = pid
        self.command = command
        self.controlGroup = controlGroup
        self.stack = stack
        self.dropLocation = dropLocation
        self.dropReason = dropReason
        self.fields = fields
    }
}
