import AnomalyModel
import Glibc
import SystemdProtocols
import TracingBackends

/// What goes on from one process of the daemon to the next, by systemd's descriptor store.
///
/// The store holds groups of descriptors, each under `<what>-<number>`: `state`, and for each detector its tables
/// (`arp-maps`) and its programs on their hooks (`arp-hooks`). The tables stay under the number of the process that made
/// them, the hooks are each process's own. Where nobody keeps descriptors, it is empty and takes nothing.
final class Continuity {
    /// Where the state is written down.
    let memory: StateMemory
    /// What the process before wrote down; empty if there was none.
    private(set) var inherited = StateText()
    /// Why that cannot be gone on with, although it is there.
    private(set) var problem: String?
    private let store: DescriptorStore?
    /// What came with this process and was not asked for yet, by its name in the store.
    private var unclaimed: [String: [Int32]] = [:]
    /// What was asked for and is neither gone on with nor closed yet.
    private var taken: [DetectorName: InheritedDetector] = [:]
    /// All that was ever asked for.
    private var asked: Set<DetectorName> = []
    /// Names in the store that are in use.
    private var names: Set<String> = []
    /// Names that are not, to be let go with the next commit: until then another process would need them.
    private var obsolete: Set<String> = []
    private var places: [DetectorName: Place] = [:]
    /// Of the newest name.
    private var number: UInt64 = 0

    /// Under which numbers the store has what is a detector's.
    struct Place: Equatable {
        var maps: UInt64 = 0
        var hooks: UInt64 = 0
        var hookCount = 0
    }

    /// Takes over what is there.
    ///
    /// - Parameters:
    ///   - isWanted: if not, what is there is let go, and nothing is kept.
    ///   - received: what came out of the store, by name.
    init(
        isWanted: Bool, store: DescriptorStore? = DescriptorStore(),
        received: [String: [Int32]] = DescriptorStore.inherited()
    ) throws(StateFailure) {
        if !isWanted { received.keys.forEach { store?.discard($0) } }
        self.store = isWanted ? store : nil
        for (name, descriptors) in received {
            if isWanted, store != nil, let number = Self.number(of: name) {
                (unclaimed[name], self.number) = (descriptors, max(self.number, number))
            } else {
                descriptors.forEach { close($0) }
            }
        }
        let found = Self.newestState(in: &unclaimed, problem: &problem)
        let text = found?.memory.text ?? ""
        if let found, !text.isEmpty, found.memory.isWorthATry, found.memory.foundLayout == StateMemory.layout {
            memory = found.memory
            names.insert(found.name)
        } else {
            memory = try StateMemory()
            _ = put([memory.descriptor], "state")
        }
        obsolete = Set(received.keys.filter { $0.hasPrefix("state-") }).subtracting(names)
        do {
            inherited = try StateText(parsing: text)
        } catch {
            problem = error.description
        }
        if let found, !text.isEmpty, found.memory !== memory {
            problem =
                found.memory.foundLayout == StateMemory.layout
                ? "processes that took it over ended before they could go on, time and again"
                : "it is \(found.memory.foundLayout), and this version writes \(StateMemory.layout)"
        }
    }

    /// The newest memory in which something is written down, else the newest; all others are closed.
    private static func newestState(
        in unclaimed: inout [String: [Int32]], problem: inout String?
    ) -> (name: String, memory: StateMemory)? {
        let names = unclaimed.keys.filter { $0.hasPrefix("state-") }
        var newest: (name: String, memory: StateMemory)?
        for name in names.sorted(by: { number(of: $0) ?? 0 < number(of: $1) ?? 0 }) {
            for descriptor in unclaimed.removeValue(forKey: name) ?? [] {
                do {
                    let memory = try StateMemory(mapping: descriptor)
                    if newest == nil || !memory.text.isEmpty { newest = (name, memory) }
                } catch {
                    problem = "it is no memory of this version (\(String(cString: strerror(error.errno))))"
                }
            }
        }
        return newest
    }

    /// The number in a name as this program makes them; nil for another's.
    private static func number(of name: String) -> UInt64? {
        guard let dash = name.lastIndex(of: "-") else { return nil }
        return UInt64(name[name.index(after: dash)...]).flatMap { $0 < UInt64.max / 2 ? $0 : nil }
    }

    /// True where another process can go on.
    var isKept: Bool { store != nil }

    /// What was left of a detector, until that is settled; nil if nothing was.
    ///
    /// - Parameter rules: as this version numbers them.
    func takeInherited(_ detector: DetectorName, rules: [RuleName]) -> InheritedDetector? {
        guard asked.insert(detector).inserted else { return taken[detector] }
        let isUsable = problem == nil && inherited != StateText()
        let written =
            isUsable
            ? try? WrittenDetector(detector, in: inherited)
            : try? WrittenDetector(countsOf: detector, in: inherited)
        guard let written else { return nil }
        let maps = claim("\(detector)-maps", written.place.maps)
        let hooks = claim("\(detector)-hooks", written.place.hooks)
        if maps.isEmpty, hooks.isEmpty, written.rules.isEmpty { return nil }
        taken[detector] = InheritedDetector(written, maps: maps, hooks: hooks, isUsable: isUsable, rules: rules)
        places[detector] = written.place
        return taken[detector]
    }

    /// What is under that number; without it, whatever there is of that kind, so that it can be switched off.
    private func claim(_ kind: String, _ number: UInt64) -> [Int32] {
        let name = "\(kind)-\(number)"
        let wanted = number > 0 ? [name] : unclaimed.keys.filter { $0.hasPrefix("\(kind)-") }
        names.formUnion(wanted)
        return wanted.flatMap { unclaimed.removeValue(forKey: $0) ?? [] }
    }

    /// Says that what was inherited cannot be used after all.
    func refuse(because reason: String) { problem = reason }

    /// Has a session's descriptors kept, before it is in force.
    func keep(_ session: ProbeSession, of detector: DetectorName) {
        var place = session.isContinued ? places[detector] ?? Place() : Place()
        if !session.isContinued { place.maps = put(session.keptMaps, "\(detector)-maps") }
        place.hooks = put(session.keptHooks, "\(detector)-hooks")
        place.hookCount = session.keptHooks.count
        places[detector] = place
    }

    /// Where the next process finds what is the detector's.
    func place(of detector: DetectorName) -> Place { places[detector] ?? Place() }

    /// Lets go of what earlier sessions of a detector left, now that one is in force.
    func settle(_ detector: DetectorName) {
        let place = place(of: detector)
        drop(detector, but: ["\(detector)-maps-\(place.maps)", "\(detector)-hooks-\(place.hooks)"])
    }

    /// Lets go of all that is a detector's: it does not watch any more.
    func discard(_ detector: DetectorName) {
        places[detector] = nil
        drop(detector, but: [])
    }

    private func drop(_ detector: DetectorName, but kept: Set<String>) {
        taken[detector] = nil
        let all = names.filter { $0.hasPrefix("\(detector)-maps-") || $0.hasPrefix("\(detector)-hooks-") }
        names.subtract(all.subtracting(kept))
        obsolete.formUnion(all.subtracting(kept))
    }

    /// Lets go of what nobody asked for: of detectors that this version does not have, of starts that came to nothing.
    func discardUnclaimed() {
        for (name, descriptors) in unclaimed {
            descriptors.forEach { close($0) }
            obsolete.insert(name)
        }
        unclaimed = [:]
    }

    /// True if a commit is waited for, to let go of something.
    var isUncommitted: Bool { !obsolete.isEmpty }

    /// What is in force now does not speak of what was to be let go.
    func didCommit() {
        obsolete.forEach { store?.discard($0) }
        obsolete = []
    }

    /// The number under which it is kept; 0 if it is not.
    private func put(_ descriptors: [Int32], _ kind: String) -> UInt64 {
        guard let store else { return 0 }
        number += 1
        let name = "\(kind)-\(number)"
        guard store.keep(descriptors, as: name) else {
            Console.error("systemd did not take \(name) to keep: after a restart, what belongs to it begins afresh")
            return 0
        }
        names.insert(name)
        return number
    }
}
