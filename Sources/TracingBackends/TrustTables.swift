/// What a detector's programs trust: the contents of their tables.
public struct TrustTables: Sendable, Equatable {
    /// Addresses that begin alike, and what is trusted of them.
    public struct Prefix: Sendable, Equatable {
        /// The address in network byte order; at most seven bytes.
        public let bytes: [UInt8]
        /// How many of its bits decide.
        public let length: Int
        /// `enum na_trust_flag`.
        public let flags: UInt32
        /// Rules that do not judge such a sender, each a bit.
        public let ignoredRules: UInt32

        /// Makes a line of a table.
        public init(bytes: [UInt8], length: Int, flags: UInt32, ignoredRules: UInt32) {
            self.bytes = bytes
            self.length = length
            self.flags = flags
            self.ignoredRules = ignoredRules
        }
    }

    /// A known neighbour.
    public struct Binding: Sendable, Hashable {
        /// IPv4, host byte order.
        public let address: UInt32
        /// In the low 48 bits, first byte highest; 0 says that the address has bindings.
        public let mac: UInt64

        /// Makes a line of the table.
        public init(address: UInt32, mac: UInt64) {
            self.address = address
            self.mac = mac
        }
    }

    /// `struct na_glob_word`, number by number: always all of them.
    public var globs: [[UInt64]]
    /// Sender MACs, each with the marks of all prefixes that cover it.
    public var macs: [Prefix]
    /// Sender addresses, likewise.
    public var addresses: [Prefix]
    /// Which MACs addresses may have.
    public var bindings: [Binding]

    /// Takes the tables' contents.
    public init(globs: [[UInt64]], macs: [Prefix], addresses: [Prefix], bindings: [Binding]) {
        self.globs = globs
        self.macs = macs
        self.addresses = addresses
        self.bindings = bindings
    }

    /// Whether any interface is named.
    var namesInterfaces: Bool { globs.contains { $0.contains { $0 != 0 } } }

    /// Whether any sender is named.
    var namesSenders: Bool { !(macs.isEmpty && addresses.isEmpty && bindings.isEmpty) }
}
