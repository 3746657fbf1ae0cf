/// Puts what comes from several CPUs into the order of its time.
///
/// bpftrace empties one CPU's buffer after the other, so a reply may come before its request. Sights wait until those
/// of other CPUs must have come, too; with more than `maxWaiting` the oldest goes at once. The wait begins with a
/// sight's arrival and not with what it saw: when bpftrace was held up, other CPUs' buffers were, too.
struct SightQueue<Sight> {
    /// How long a sight waits: far longer than bpftrace needs to go over all buffers.
    static var windowNanoseconds: UInt64 { 100_000_000 }
    /// Some 3 MB with their stacks; at 20,000 a second the window still fits.
    static var maxWaiting: Int { 2048 }

    /// Where one that waits is, of what time, and until when: small, because the heap moves it about.
    private struct Place {
        let boottimeNanoseconds: UInt64
        let deadline: UInt64
        let slot: Int
    }

    /// A binary heap, the oldest first.
    private var heap: [Place] = []
    private var slots: [Sight?] = []
    private var free: [Int] = []

    /// How many wait.
    var count: Int { heap.count }

    /// When the oldest may go, CLOCK_BOOTTIME.
    var nextDeadline: UInt64? { heap.first?.deadline }

    /// Adds one that was seen at that time and arrives now; returns the oldest if there is no room for both.
    mutating func add(_ sight: Sight, at boottimeNanoseconds: UInt64, now: UInt64) -> Sight? {
        let slot = free.popLast() ?? slots.count
        if slot == slots.count { slots.append(sight) } else { slots[slot] = sight }
        heap.append(
            Place(boottimeNanoseconds: boottimeNanoseconds, deadline: now + Self.windowNanoseconds, slot: slot))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].boottimeNanoseconds < heap[parent].boottimeNanoseconds else { break }
            heap.swapAt(child, parent)
            child = parent
        }
        return heap.count > Self.maxWaiting ? takeOldest() : nil
    }

    /// The oldest, if it has waited long enough.
    mutating func take(now: UInt64) -> Sight? {
        guard let deadline = nextDeadline, deadline <= now else { return nil }
        return takeOldest()
    }

    /// The oldest, however long it has waited.
    mutating func takeOldest() -> Sight? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        free.append(first.slot)
        defer { slots[first.slot] = nil }
        if heap.isEmpty { return slots[first.slot] }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in 2 * parent + 1..<min(2 * parent + 3, max(heap.count, 2 * parent + 1)) {
                if heap[child].boottimeNanoseconds < heap[least].boottimeNanoseconds { least = child }
            }
            if least == parent { return slots[first.slot] }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
