public import CDetectorEvents

/// The rules of one detector at work in this process, on what bpftrace saw.
///
/// It is the kernel programs' own code (`bpf/judge`) with tables of its own. All that it makes must be used on one
/// thread; sights are to come in the order of their time.
public final class HostJudge {
    private let host: OpaquePointer
    private let arpEvents = UnsafeMutablePointer<arp_event>.allocate(capacity: Int(ARP_SIGHT_EVENTS))
    private let gsoEvents = UnsafeMutablePointer<gso_event>.allocate(capacity: Int(GSO_SIGHT_EVENTS))

    /// Makes empty tables.
    ///
    /// - Parameters:
    ///   - memoryEntries: `[Limits] MaxMemory=`.
    ///   - cpus: configured ones; frames are remembered by CPU.
    ///   - seed: of the memory's hash: nobody outside shall choose what is forgotten.
    /// - Returns: nil if there is no memory for it.
    public init?(memoryEntries: UInt32, cpus: UInt32, seed: UInt64) {
        guard let host = na_host_new(memoryEntries / UInt32(NA_MEMORY_WAYS), cpus, seed) else { return nil }
        self.host = host
    }

    deinit {
        na_host_free(host)
        arpEvents.deallocate()
        gsoEvents.deallocate()
    }

    /// What was asked for before `now` is not known, so no answer counts as unasked for a while.
    public func forgetAsked(now: UInt64) { na_host_set_start(host, now) }

    /// Switches a rule, by its number, and sets its threshold.
    public func set(rule: Int, isEnabled: Bool, threshold: UInt32) {
        na_host_set_rule(host, UInt32(rule), isEnabled ? 1 : 0, threshold)
    }

    /// Tells the running kernel's numbers of the drop reasons that matter.
    public func set(_ reasons: na_host_reasons) {
        withUnsafePointer(to: reasons) { na_host_set_reasons(host, $0) }
    }

    /// Puts `[Trust]` in force in place of what was.
    ///
    /// - Parameter globs: `struct na_glob_word`, number by number.
    /// - Returns: false if there is no memory for it.
    public func setTrust(
        globs: [[UInt64]], macs: [(bits: UInt64, length: Int, mark: na_trust_mark)],
        addresses: [(bits: UInt32, length: Int, mark: na_trust_mark)], bindings: [(ip: UInt32, mac: UInt64)]
    ) -> Bool {
        na_host_clear_trust(host)
        for (index, numbers) in globs.enumerated() {
            precondition(numbers.count * 8 == MemoryLayout<na_glob_word>.size, "a word of the table, number by number")
            numbers.withUnsafeBytes {
                na_host_set_glob(host, UInt32(index), $0.assumingMemoryBound(to: na_glob_word.self).baseAddress)
            }
        }
        let isComplete =
            macs.allSatisfy { na_host_add_mac(host, $0.bits, UInt32($0.length), $0.mark) != 0 }
            && addresses.allSatisfy { na_host_add_address(host, $0.bits, UInt32($0.length), $0.mark) != 0 }
        return isComplete && bindings.allSatisfy { na_host_add_binding(host, $0.ip, $0.mac) != 0 }
    }

    /// Events of a rule, by its number, that `[Trust]` has excused.
    public func trusted(rule: Int) -> UInt64 { na_host_trusted(host, UInt32(rule)) }

    /// What the rules about repetition had to forget before its time.
    public var forgotten: UInt64 { na_host_forgotten(host) }

    /// Hands each event that a sight makes to `take`.
    func judge(_ sight: ArpSight, take: (arp_event) -> Void) {
        let count =
            switch sight {
            case .frame(let frame): withUnsafePointer(to: frame) { arp_judge_frame_sight(host, $0, arpEvents) }
            case .change(let change): withUnsafePointer(to: change) { arp_judge_change_sight(host, $0, arpEvents) }
            }
        for index in 0..<Int(count) { take(arpEvents[index]) }
    }

    /// The same for a packet.
    func judge(_ sight: gso_sight, take: (gso_event) -> Void) {
        let count = withUnsafePointer(to: sight) { gso_judge_sight(host, $0, gsoEvents) }
        for index in 0..<Int(count) { take(gsoEvents[index]) }
    }
}
