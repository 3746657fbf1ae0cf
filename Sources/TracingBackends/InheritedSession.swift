internal import CDetectorEvents
import CLibbpf
import Glibc

/// What the process before left of one detector's kernel half: its programs are on their hooks still, and count.
///
/// Owns the descriptors: its programs leave their hooks with it, unless somebody else keeps them there.
public final class InheritedSession {
    /// Of `ProbeSession.keptMaps`.
    private let maps: [CInt]
    /// The links of its programs.
    private let hooks: [CInt]
    /// By name.
    let mapsByName: [String: CInt]
    private let config: CInt?
    /// What the session's maps look like, see `ProbeSession.layout`; nil if that is not known.
    public let layout: UInt64?
    /// Up to where its ring was read.
    public let position: UInt64
    /// How many programs it had on their hooks.
    private let wantedHooks: Int

    /// - Parameters:
    ///   - maps: the descriptors of `ProbeSession.keptMaps`.
    ///   - hooks: those of `ProbeSession.keptHooks`.
    public init(maps: [CInt], hooks: [CInt], layout: UInt64?, position: UInt64, wantedHooks: Int) {
        (self.maps, self.hooks, self.layout, self.position) = (maps, hooks, layout, position)
        self.wantedHooks = wantedHooks
        var byName: [String: CInt] = [:]
        for descriptor in maps { if let name = Self.mapName(descriptor) { byName[name] = descriptor } }
        mapsByName = byName
        config = byName[ProbeSession.configMap]
    }

    deinit { for descriptor in hooks + maps { close(descriptor) } }

    /// Has its programs count nothing more: in no layout do they judge while their configuration is all zeros.
    ///
    /// Not for a session that goes on with it, whose configuration it is too.
    public func switchOff() {
        for descriptor in maps where Self.mapName(descriptor) == ProbeSession.configMap {
            guard let size = Self.facts(descriptor)?.value_size else { continue }
            var key: UInt32 = 0
            let zeros = [UInt8](repeating: 0, count: Int(size))
            _ = bpf_map_update_elem(descriptor, &key, zeros, UInt64(BPF_ANY))
        }
    }

    /// Its configuration, which a session that goes on needs in part.
    var configuration: na_config? {
        guard let config, Self.facts(config)?.value_size == UInt32(MemoryLayout<na_config>.size) else { return nil }
        var key: UInt32 = 0
        var value = na_config()
        return bpf_map_lookup_elem(config, &key, &value) == 0 ? value : nil
    }

    /// What it has counted for the rule of that number; nil if its counts are not laid out as ours.
    public func totals(rule: Int) -> KernelTotals? {
        guard let map = mapsByName["totals"], let facts = Self.facts(map), rule < Int(facts.max_entries),
            facts.value_size == UInt32(MemoryLayout<na_rule_totals>.size)
        else { return nil }
        var key = UInt32(rule)
        var values = [na_rule_totals](repeating: na_rule_totals(), count: Int(libbpf_num_possible_cpus()))
        return bpf_map_lookup_elem(map, &key, &values) == 0 ? KernelTotals(perCPU: values) : nil
    }

    /// Why another object cannot use the maps: nil if it can.
    func obstacle(layout: UInt64, entries: [String: UInt32]) -> String? {
        guard let known = self.layout else { return "what it wrote down cannot be used" }
        if hooks.count != wantedHooks { return "systemd kept \(hooks.count) of \(wantedHooks) programs" }
        if layout != known { return "its tables are of another layout" }
        for name in ProbeSession.inheritedMaps {
            guard let map = mapsByName[name] else {
                if ProbeSession.optionalMaps.contains(name) { continue }
                return "its table '\(name)' is missing"
            }
            if let wanted = entries[name], wanted != Self.facts(map)?.max_entries {
                return "its table '\(name)' is of another size than is configured"
            }
        }
        guard let configuration else { return "its configuration is missing" }
        return configuration.turn == 0 ? "its programs were switched off" : nil
    }

    private static func facts(_ descriptor: CInt) -> bpf_map_info? {
        guard DescriptorInfo.number("map_type", of: descriptor) != nil else { return nil }
        var facts = bpf_map_info()
        return na_map_facts(descriptor, &facts) == 0 ? nil : facts
    }

    private static func mapName(_ descriptor: CInt) -> String? {
        guard var facts = facts(descriptor) else { return nil }
        return withUnsafeBytes(of: &facts.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
