/// One compiled BPF object, embedded by the build.
public struct ProbeObject: Sendable {
    /// Its file's base name, such as `arp`.
    public let name: String
    /// Length of the ELF image in bytes.
    public let size: Int
    /// The ELF image as little-endian words: 8-byte aligned and statically initialised.
    public let words: [UInt64]

    /// Used by generated code.
    public init(name: String, size: Int, words: [UInt64]) {
        self.name = name
        self.size = size
        self.words = words
    }
}

/// One attachment point of a detector, in the order of the numbers its events carry.
public struct Probe: Sendable {
    /// Name of the BPF program: `on_netif_receive_skb`.
    public let program: String
    /// The kernel's hook: a tracepoint's name.
    public let hook: String
    /// What is not seen when this probe cannot attach, as the end of "… is not watched".
    public let lossWithout: String
    /// Rules that can only be seen here; they are blind without it.
    public let rules: [RuleName]

    /// The hook as bpftrace and perf write it: `tracepoint:net:netif_receive_skb`.
    public var tracepoint: String {
        let system = hook.hasPrefix("neigh_") ? "neigh" : hook == "kfree_skb" ? "skb" : "net"
        return "tracepoint:\(system):\(hook)"
    }

    /// Describes one probe.
    public init(program: String, hook: String, lossWithout: String, rules: [RuleName]) {
        self.program = program
        self.hook = hook
        self.lossWithout = lossWithout
        self.rules = rules
    }
}

/// A member of a structure that a kernel module defines, in the order of the detector's numbers for them.
public struct ModuleMember: Hashable, Sendable {
    /// `tun`.
    public let module: String
    /// `tun_file`.
    public let structure: String
    /// `tun`.
    public let member: String

    /// Names a member.
    public init(module: String, structure: String, member: String) {
        self.module = module
        self.structure = structure
        self.member = member
    }
}
