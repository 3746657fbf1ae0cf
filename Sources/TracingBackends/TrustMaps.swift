internal import CDetectorEvents
import Glibc

/// The maps of one object that hold what is trusted.
///
/// An object has those that concern its detector: only ARP has senders to trust.
///
/// They have two generations. A reload fills the one that is not in force; the programs go over to it when the session
/// writes its number, and no packet is judged by half of a reload.
struct TrustMaps {
    private var keys: [[PrefixKey]] = [[], []]
    private var bindings: [[na_trust_binding]] = [[], []]
    private var tables: TrustTables?
    /// The one in force.
    private(set) var generation: UInt32 = 0

    /// A line of one of the two prefix maps.
    private struct PrefixKey {
        let map: CInt
        let key: na_trust_prefix
    }

    /// Fills the other generation and makes it `generation`; nothing is done if nothing has changed.
    mutating func fill(_ new: TrustTables, in object: borrowing LoadedObject) throws(BackendError) {
        if tables == new { return }
        let next = 1 - generation
        try clear(next, in: object)
        let globs = object.mapDescriptor("globs")
        for (index, word) in new.globs.enumerated() {
            try object.write(globs, slot: next * UInt32(new.globs.count) + UInt32(index), numbers: word)
        }
        // A detector that judges no senders has only the first table.
        if object.mapDescriptor("known_bindings") >= 0 { try enterSenders(new, next, in: object) }
        tables = new
        generation = next
    }

    private mutating func enterSenders(
        _ new: TrustTables, _ next: UInt32, in object: borrowing LoadedObject
    ) throws(BackendError) {
        try enter(new.macs, map: object.mapDescriptor("trusted_macs"), next, object)
        try enter(new.addresses, map: object.mapDescriptor("trusted_addresses"), next, object)
        let map = object.mapDescriptor("known_bindings")
        for binding in new.bindings {
            let key = na_trust_binding(mac: binding.mac, ip: binding.address, generation: next)
            try object.enter(map, key, UInt8(1))
            bindings[Int(next)].append(key)
        }
    }

    /// Takes out what was in force before the last reload.
    private mutating func clear(_ old: UInt32, in object: borrowing LoadedObject) throws(BackendError) {
        for line in keys[Int(old)] { try object.remove(line.map, line.key) }
        for key in bindings[Int(old)] { try object.remove(object.mapDescriptor("known_bindings"), key) }
        keys[Int(old)] = []
        bindings[Int(old)] = []
    }

    private mutating func enter(
        _ prefixes: [TrustTables.Prefix], map: CInt, _ next: UInt32, _ object: borrowing LoadedObject
    ) throws(BackendError) {
        for prefix in prefixes {
            var key = na_trust_prefix()
            key.length = 8 + UInt32(prefix.length)
            key.generation = UInt8(next)
            withUnsafeMutableBytes(of: &key.bytes) { $0.copyBytes(from: prefix.bytes) }
            try object.enter(map, key, na_trust_mark(flags: prefix.flags, rules: prefix.ignoredRules))
            keys[Int(next)].append(PrefixKey(map: map, key: key))
        }
    }
}
