public import AnomalyModel

/// What the administrator vouches for: `[Trust]`.
public struct Trust: Sendable, Equatable {
    /// Different MAC prefixes in `VirtualMACs=` and all `IgnoreMACs=`: what a prefix stands for needs no long list.
    public static let maximumMACPrefixes = 1024
    /// One for each host of a /20; larger segments are not run as one.
    public static let maximumKnownBindings = 4096
    /// Different prefixes in `ServiceAddresses=` and all `IgnoreAddresses=`, as above.
    public static let maximumAddressPrefixes = 1024
    /// Different patterns in `WatchInterfaces=` and all `IgnoreInterfaces=`: each frame's interface is compared with all.
    public static let maximumInterfaceGlobs = 64

    /// MACs that virtual routers hand over, besides those of the known protocols.
    public internal(set) var virtualMACs: [MACPrefix] = []
    /// Which MACs an address may have; an address may be listed with several.
    public internal(set) var knownBindings: [KnownBinding] = []
    /// Addresses that move between hosts or are announced by a program.
    public internal(set) var serviceAddresses: [IPv4Prefix] = []
    /// If there are any, only interfaces with such a name are judged.
    public internal(set) var watchInterfaces: [InterfaceGlob] = []
    /// Interfaces with such a name are not judged, watched or not.
    public internal(set) var ignoreInterfaces: [InterfaceGlob] = []
}

/// A known neighbour: `192.0.2.1=02:00:00:00:00:01`.
public struct KnownBinding: Hashable, Sendable, CustomStringConvertible {
    /// The neighbour's address.
    public let address: IPv4Address
    /// A MAC that it may have.
    public let mac: MACAddress

    /// As a file says it.
    public var description: String { "\(address)=\(mac)" }
}

/// All MACs that begin alike: `02:00:5e:*`, `02:00:5e:00:01:00/44`, or one alone.
public struct MACPrefix: Hashable, Sendable, CustomStringConvertible {
    /// The first address, in the low 48 bits, first byte highest; 0 beyond ``length``.
    public let bits: UInt64
    /// How many bits decide, 0 to 48.
    public let length: Int

    /// As a file says it, in the shortest way.
    public var description: String {
        let bytes = MACAddress(bits: bits).description
        if length == 48 { return bytes }
        return length.isMultiple(of: 8) ? "\(bytes.prefix(length / 8 * 3))*" : "\(bytes)/\(length)"
    }
}

/// All IPv4 addresses that begin alike: `192.0.2.0/24`, or one alone.
public struct IPv4Prefix: Hashable, Sendable, CustomStringConvertible {
    /// The first address, in host byte order; 0 beyond ``length``.
    public let bits: UInt32
    /// How many bits decide, 0 to 32.
    public let length: Int

    /// As a file says it, in the shortest way.
    public var description: String { "\(IPv4Address(bits: bits))" + (length == 32 ? "" : "/\(length)") }
}

/// A set of addresses with the same first bits; a smaller one comes after those that cover it.
protocol AddressPrefix: Hashable, Sendable {
    associatedtype Bits: FixedWidthInteger
    /// How many bits an address has.
    static var width: Int { get }
    var bits: Bits { get }
    var length: Int { get }
}

extension AddressPrefix {
    /// Whether every address of the other one is in this one.
    func covers(_ other: Self) -> Bool { length <= other.length && Self.first(of: other.bits, length: length) == bits }

    func precedes(_ other: Self) -> Bool { (bits, length) < (other.bits, other.length) }

    /// The first address with the same first bits.
    static func first(of bits: Bits, length: Int) -> Bits {
        (bits >> Bits(width - length)) << Bits(width - length)
    }
}

extension MACPrefix: AddressPrefix {
    static let width = 48
}

extension IPv4Prefix: AddressPrefix {
    static let width = 32
}
