/// What several lists fill together.
struct Total {
    let things: String
    let keys: [String]
    let count: Int
    let maximum: Int
}

extension Draft {
    /// Everything that is bounded over all sections: it shares one table of the kernel's.
    var totals: [Total] {
        [
            Total(
                things: "MAC prefixes", keys: ["VirtualMACs", "IgnoreMACs"],
                count: Set(trust.virtualMACs + rules.flatMap(\.ignoreMACs)).count,
                maximum: Trust.maximumMACPrefixes),
            Total(
                things: "addresses and prefixes", keys: ["ServiceAddresses", "IgnoreAddresses"],
                count: Set(trust.serviceAddresses + rules.flatMap(\.ignoreAddresses)).count,
                maximum: Trust.maximumAddressPrefixes),
            Total(
                things: "patterns", keys: ["WatchInterfaces", "IgnoreInterfaces"],
                // A pattern that is watched and ignored by a rule takes two places.
                count: trust.watchInterfaces.count
                    + Set(trust.ignoreInterfaces + rules.flatMap(\.ignoreInterfaces)).count,
                maximum: Trust.maximumInterfaceGlobs),
        ]
    }
}
