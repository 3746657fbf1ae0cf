/// Finds out whether the journal keeps what it takes.
///
/// journald answers nobody: on a full disk it takes each entry and drops it in silence. But whatever it stores changes
/// the time of its file within a quarter of a second, and that can be seen without the right to read the journal. So
/// entries that it has fetched, and after which no file changes for five looks, a second apart, are not stored.
struct JournalWatch {
    /// While entries are on their way, files are looked at so often.
    static let spacingNanoseconds: UInt64 = 1_000_000_000
    /// journald tells of a change after 250 ms; a disk that is asleep or busy takes seconds.
    ///
    /// Looks are counted, since they stand still with all others while the machine is suspended or stopped.
    static let graceLooks = 5

    /// What an observation has brought to light.
    enum Finding: Equatable {
        /// Entries are not stored, to all appearance.
        case deaf(Deafness)
        /// They are again; those with numbers of a range may be missing. CLOCK_BOOTTIME of when it began.
        case hears(ClosedRange<UInt64>, sinceNanoseconds: UInt64)
    }

    /// What is known of a journal that stores nothing.
    struct Deafness: Equatable {
        /// The first entry that may be missing.
        let firstSequence: UInt64
        /// CLOCK_BOOTTIME at which it began, at the latest.
        let sinceNanoseconds: UInt64
        /// There is no room for another journal file.
        let isDiskFull: Bool
        /// There is a journal in memory, where the entries may be.
        let isInMemory: Bool
    }

    /// While entries are not stored.
    private(set) var deafness: Deafness?
    /// When files are to be looked at again; nil while nothing was written since they changed.
    private(set) var nextLook: UInt64?
    private var last: JournalPlace.Sight?
    /// A file has changed before our eyes: its standing still means something.
    private var isProven = false
    /// The last entry that was handed over at the last change, at the look before it, and at the look before that:
    /// what was fetched up to the latter was stored for certain, since the change came after it.
    private var stored: (now: UInt64, before: UInt64, longBefore: UInt64)
    /// The first look after an entry that found no change, and how many have followed.
    private var pending: (since: UInt64, looks: Int)?

    /// - Parameter sequence: the number of the last entry that is not of this process.
    init(after sequence: UInt64) { stored = (sequence, sequence, sequence) }

    /// True if it is time to look.
    ///
    /// - Parameter handedOver: the number of the last entry that was handed over.
    mutating func isDue(handedOver: UInt64, now: UInt64) -> Bool {
        if nextLook == nil, handedOver != stored.now { nextLook = now }
        return nextLook.map { $0 <= now } ?? false
    }

    /// Takes one look at the files.
    ///
    /// - Parameter fetched: the number of the last entry that journald has for certain; nil while some may be on their
    ///   way, for which a journal that hangs or is away is to blame.
    mutating func look(_ sight: JournalPlace.Sight, fetched: UInt64?, now: UInt64) -> Finding? {
        let earlier = last
        last = sight
        nextLook = now + Self.spacingNanoseconds
        let isFull = sight.freeBytes.map { $0 < JournalPlace.minimumFileBytes } ?? false
        let hasChanged = zip(sight.stamps, earlier?.stamps ?? []).contains { $0 != nil && $0 != $1 }
        if hasChanged {
            isProven = true
            if !sight.isHidden { pending = nil }
        }
        guard let fetched else { return nil }
        guard isProven && !sight.isHidden ? hasChanged : !isFull else {
            return stands(sight, isFull: isFull, fetched: fetched, now: now)
        }
        let wasDeaf = deafness
        (deafness, pending) = (nil, nil)
        stored = (fetched, stored.now, stored.before)
        if wasDeaf == nil, stored.now == stored.longBefore { nextLook = nil }
        return wasDeaf.map {
            .hears($0.firstSequence...max($0.firstSequence, fetched), sinceNanoseconds: $0.sinceNanoseconds)
        }
    }

    /// Nothing was stored since the last look.
    private mutating func stands(
        _ sight: JournalPlace.Sight, isFull: Bool, fetched: UInt64, now: UInt64
    ) -> Finding? {
        guard fetched != stored.now else {
            if deafness == nil { nextLook = nil }
            return nil
        }
        guard deafness == nil else { return nil }
        guard let (since, looks) = pending else {
            pending = (now, 0)
            return nil
        }
        pending = (since, looks + 1)
        guard looks + 1 >= Self.graceLooks else { return nil }
        let found = Deafness(
            firstSequence: stored.longBefore + 1, sinceNanoseconds: since, isDiskFull: isFull,
            isInMemory: sight.isInMemory)
        deafness = found
        return .deaf(found)
    }
}
