public import AnomalyModel

/// What is trusted, as the programs of one detector look it up: the contents of their maps.
public struct KernelTrust: Sendable, Equatable {
    /// A prefix with the marks of all that cover it, because a lookup finds the longest one only.
    public struct Mark<Prefix: Hashable & Sendable>: Sendable, Equatable {
        /// The addresses that are marked.
        public let prefix: Prefix
        /// `enum na_trust_flag`.
        public internal(set) var flags: UInt32
        /// The rules that do not judge such a sender, each a bit.
        public internal(set) var ignoredRules: UInt32
    }

    /// `NA_TRUST_VIRTUAL_MAC` and `NA_TRUST_SERVICE_ADDRESS`.
    static let inTrustSection: UInt32 = 1

    /// `struct na_glob_word`, number by number, as many as there may be; unused ones are 0 throughout.
    public let globs: [[UInt64]]
    /// At most ``Trust/maximumMACPrefixes``.
    public let macs: [Mark<MACPrefix>]
    /// At most ``Trust/maximumAddressPrefixes``.
    public let addresses: [Mark<IPv4Prefix>]
    /// At most ``Trust/maximumKnownBindings``.
    public let bindings: [KnownBinding]
    /// The addresses that have bindings, each once.
    public let boundAddresses: [IPv4Address]

    /// Takes what concerns one detector.
    ///
    /// - Parameter rules: The detector's rules, each at the index that is its number in the event header.
    /// - Precondition: the configuration was made with these rules, and there are at most 32.
    public init(_ configuration: Configuration, rules: [Rule]) {
        let trust = configuration.trust
        var globs = GlobTable()
        var macs = Marks<MACPrefix>()
        var addresses = Marks<IPv4Prefix>()
        for glob in trust.watchInterfaces { globs.watch(glob) }
        for glob in trust.ignoreInterfaces { globs.ignore(glob, rules: .max) }
        for mac in trust.virtualMACs { macs.add(mac, flags: Self.inTrustSection) }
        for address in trust.serviceAddresses { addresses.add(address, flags: Self.inTrustSection) }
        for (number, rule) in rules.enumerated() {
            guard let settings = configuration.rules[rule.name] else {
                preconditionFailure("the configuration was made with every rule")
            }
            let bit = UInt32(1) << UInt32(number)
            for glob in settings.ignoreInterfaces { globs.ignore(glob, rules: bit) }
            for mac in settings.ignoreMACs { macs.add(mac, ignoredRules: bit) }
            for address in settings.ignoreAddresses { addresses.add(address, ignoredRules: bit) }
        }
        self.globs = globs.numbers
        self.macs = macs.merged
        self.addresses = addresses.merged
        bindings = trust.knownBindings
        boundAddresses = Set(trust.knownBindings.map(\.address)).sorted { $0.bits < $1.bits }
    }
}

/// Marks as the sections give them, one after the other.
private struct Marks<Prefix: AddressPrefix> {
    private var marks: [Prefix: KernelTrust.Mark<Prefix>] = [:]

    mutating func add(_ prefix: Prefix, flags: UInt32 = 0, ignoredRules: UInt32 = 0) {
        let none = KernelTrust.Mark(prefix: prefix, flags: 0, ignoredRules: 0)
        marks[prefix, default: none].take(KernelTrust.Mark(prefix: prefix, flags: flags, ignoredRules: ignoredRules))
    }

    /// Each prefix with the marks of those that cover it; these come before it.
    var merged: [KernelTrust.Mark<Prefix>] {
        var result: [KernelTrust.Mark<Prefix>] = []
        var covering: [KernelTrust.Mark<Prefix>] = []
        for var mark in marks.values.sorted(by: { $0.prefix.precedes($1.prefix) }) {
            while let last = covering.last, !last.prefix.covers(mark.prefix) { covering.removeLast() }
            if let last = covering.last { mark.take(last) }
            covering.append(mark)
            result.append(mark)
        }
        return result
    }
}

extension KernelTrust.Mark {
    fileprivate mutating func take(_ other: Self) {
        flags |= other.flags
        ignoredRules |= other.ignoredRules
    }
}
