import AnomalyModel

/// Whose events are settled with a record, and how many of each.
struct RecordAccount: Equatable {
    let rule: RuleName
    let also: [RuleName]
    let events: UInt64
    /// Far more than one record stands for, and no sum of all that there is room for overflows.
    private static let maxEvents: UInt64 = 1 << 40

    init(_ record: Record) {
        (rule, also, events) = (record.rule, record.also, record.events)
    }

    /// `EVENTS RULE ALSO…`, as it stands before the record in memory.
    var text: String {
        ([String(events), rule.text] + also.map(\.text)).joined(separator: " ")
    }

    /// Nil for what is no such line.
    init?(text: some StringProtocol) {
        let words = text.split(separator: " ")
        guard words.count >= 2, let events = UInt64(words[0]), events <= Self.maxEvents else { return nil }
        self.events = events
        rule = RuleName(String(words[1]))
        also = words.dropFirst(2).map { RuleName(String($0)) }
    }
}

/// Encoded records in order, in memory that outlives the process.
///
/// A frame is its length and that of the account (4 bytes each), the account's text, the record. Places are counted on
/// without end and taken modulo the area's size; no frame goes over the area's end. What the committed state speaks of is
/// not overwritten, even if it has gone meanwhile: another process would read it. Once nothing of it is left, the area is
/// used from its beginning again, so that it takes only few pages.
struct WaitingRecords {
    struct Item {
        let account: RecordAccount
        /// Where the frame begins and ends.
        let place: UInt64
        let end: UInt64
        /// Of the record, in the area.
        let offset: Int
        let count: Int
    }

    private static let headBytes = 8
    /// Ends the part of the area that is in use before its end is reached.
    private static let skip = UInt32.max
    private static let size = UInt64(StateMemory.queueBytes)
    /// No process comes so far, and nothing that is added to it overflows.
    private static let lastPlace: UInt64 = 1 << 62
    /// So much of the area is used before it is worth a commit to begin again.
    private static let wideBytes: UInt64 = 256 * 1024

    private let memory: StateMemory
    private var items: [Item] = []
    /// Items before it are gone.
    private var head = 0
    private var firstPlace: UInt64 = 0
    private var endPlace: UInt64 = 0
    private(set) var bytes = 0
    /// From where to where the frames lie that another process would find; empty before the first commit.
    private(set) var committed: Range<UInt64> = 0..<0

    init(in memory: StateMemory) { self.memory = memory }

    var count: Int { items.count - head }
    var first: Item? { head < items.count ? items[head] : nil }
    /// From where to where the frames lie.
    var range: (first: UInt64, end: UInt64) { (firstPlace, endPlace) }

    /// True if a commit is all that keeps the area from being used from its beginning again.
    var isSpreadOut: Bool { count == 0 && !committed.isEmpty && endPlace % Self.size > Self.wideBytes }

    /// What is there now is what another process would find.
    mutating func didCommit() { committed = firstPlace..<endPlace }

    /// False if there is no room.
    mutating func append(_ record: [UInt8], _ account: RecordAccount) -> Bool {
        if count == 0, committed.isEmpty {
            endPlace = (endPlace + Self.size - 1) / Self.size * Self.size
            firstPlace = endPlace
        }
        let oldest = committed.isEmpty ? firstPlace : min(committed.lowerBound, firstPlace)
        let accountBytes = Array(account.text.utf8)
        let total = UInt64(Self.headBytes + accountBytes.count + record.count)
        var place = endPlace
        let left = Self.size - place % Self.size
        if total > left { place += left }
        guard place + total - oldest <= Self.size else { return false }
        if place != endPlace, left >= 4 { memory.write(Self.number(Self.skip), at: Int(endPlace % Self.size)) }
        let offset = Int(place % Self.size)
        memory.write(Self.number(UInt32(record.count)) + Self.number(UInt32(accountBytes.count)), at: offset)
        memory.write(accountBytes, at: offset + Self.headBytes)
        memory.write(record, at: offset + Self.headBytes + accountBytes.count)
        items.append(
            Item(
                account: account, place: place, end: place + total,
                offset: offset + Self.headBytes + accountBytes.count, count: record.count))
        bytes += record.count
        endPlace = place + total
        return true
    }

    mutating func removeFirst() {
        guard let item = first else { return }
        bytes -= item.count
        head += 1
        firstPlace = item.end
        if head == items.count {
            // The storage goes too: it is empty almost always.
            items = []
            head = 0
        } else if head >= 512, head * 2 >= items.count {
            items.removeFirst(head)
            head = 0
        }
    }

    /// Finds the records that another process left; false if what lies there is not what it should be.
    mutating func restore(from first: UInt64, to end: UInt64) -> Bool {
        guard first <= end, end - first <= Self.size, end <= Self.lastPlace else { return false }
        (firstPlace, endPlace, committed) = (first, first, first..<end)
        while endPlace < end {
            let offset = Int(endPlace % Self.size), left = StateMemory.queueBytes - offset
            guard left >= 4, number(at: offset) != Self.skip else {
                endPlace += UInt64(left)
                continue
            }
            guard left >= Self.headBytes else { return false }
            let count = Int(number(at: offset)), accountCount = Int(number(at: offset + 4))
            guard Self.headBytes + accountCount + count <= left else { return false }
            let words = String(decoding: memory.record(at: offset + 8, count: accountCount), as: UTF8.self)
            guard let account = RecordAccount(text: words) else { return false }
            let frameEnd = endPlace + UInt64(Self.headBytes + accountCount + count)
            items.append(
                Item(
                    account: account, place: endPlace, end: frameEnd, offset: offset + Self.headBytes + accountCount,
                    count: count))
            bytes += count
            endPlace = frameEnd
        }
        return endPlace == end
    }

    private static func number(_ value: UInt32) -> [UInt8] {
        withUnsafeBytes(of: value) { Array($0) }
    }

    private func number(at offset: Int) -> UInt32 {
        memory.record(at: offset, count: 4).loadUnaligned(as: UInt32.self)
    }
}
