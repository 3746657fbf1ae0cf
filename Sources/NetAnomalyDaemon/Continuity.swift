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
    /// Names in the store, by what they are, oldest first.
    private var names: [String: [String]] = [:]
    /// Of the newest name.
    private var number: UInt64 = 0

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
        for (kind, number, name) in Self.sorted(received.keys) where isWanted && store != nil {
            names[kind, default: []].append(name)
            unclaimed[name] = received[name]
            self.number = max(self.number, number)
        }
        for (name, descriptors) in received where unclaimed[name] == nil { descriptors.forEach { close($0) } }
        var states: [Int32] = []
        for name in names["state"] ?? [] { states += unclaimed.removeValue(forKey: name) ?? [] }
        states.dropLast().forEach { close($0) }
        var found: StateMemory?
        do {
            if let newest = states.last { found = try StateMemory(mapping: newest) }
        } catch {
            problem = "it is no memory of this version (\(String(cString: strerror(error.errno))))"
        }
        let text = found?.text ?? ""
        if let found, !text.isEmpty, found.foundLayout == StateMemory.layout {
            memory = found
        } else {
            memory = try StateMemory()
            put([memory.descriptor], "state")
        }
        discardOld("state")
        do {
            inherited = try StateText(parsing: text)
        } catch {
            problem = error.description
        }
        if let found, !text.isEmpty, found !== memory {
            problem = "it is \(found.foundLayout), and this version writes \(StateMemory.layout)"
        }
    }

    /// Names as this program makes them, in the order of their numbers.
    private static func sorted(_ names: some Sequence<String>) -> [(kind: String, number: UInt64, name: String)] {
        names.compactMap { name in
            guard let dash = name.lastIndex(of: "-"), let number = UInt64(name[name.index(after: dash)...]) else {
                return nil
            }
            return (String(name[..<dash]), number, name)
        }.sorted { $0.number < $1.number }
    }

    /// The descriptors under all names of a kind; of several names, the newest last.
    private func claim(_ kind: String) -> [Int32] {
        (names[kind] ?? []).flatMap { unclaimed.removeValue(forKey: $0) ?? [] }
    }

    /// True where another process can go on.
    var isKept: Bool { store != nil }

    /// What was left of a detector; nil if nothing was.
    func takeInherited(_ detector: DetectorName) -> InheritedDetector? {
        let maps = claim("\(detector)-maps"), hooks = claim("\(detector)-hooks")
        if maps.isEmpty, hooks.isEmpty { return nil }
        // `rules` and `received` keep their form in every layout. A text without them leaves what the ring held unknown.
        let written = (try? WrittenDetector(detector, in: inherited)) ?? WrittenDetector()
        return InheritedDetector(
            written, maps: maps, hooks: hooks, isUsable: problem == nil && inherited != StateText())
    }

    /// Says that what was inherited cannot be used after all.
    func refuse(because reason: String) { problem = reason }

    /// Has a session's descriptors kept, before it is in force.
    func keep(_ session: ProbeSession, of detector: DetectorName, isContinued: Bool) {
        if !isContinued { put(session.keptMaps, "\(detector)-maps") }
        put(session.keptHooks, "\(detector)-hooks")
    }

    /// Lets go of what earlier sessions of a detector left, now that one is in force.
    func discardOld(_ detector: DetectorName) {
        discardOld("\(detector)-maps")
        discardOld("\(detector)-hooks")
    }

    /// Lets go of all that is a detector's: it does not watch any more.
    func discardAll(_ detector: DetectorName) {
        for kind in ["\(detector)-maps", "\(detector)-hooks"] {
            names.removeValue(forKey: kind)?.forEach { store?.discard($0) }
        }
    }

    private func discardOld(_ kind: String) {
        guard let all = names[kind], let newest = all.last else { return }
        all.dropLast().forEach { store?.discard($0) }
        names[kind] = [newest]
    }

    private func put(_ descriptors: [Int32], _ kind: String) {
        guard let store else { return }
        number += 1
        let name = "\(kind)-\(number)"
        if !store.keep(descriptors, as: name) {
            Console.error("systemd did not take \(name) to keep: after a restart, what belongs to it begins afresh")
        }
        names[kind, default: []].append(name)
    }
}
