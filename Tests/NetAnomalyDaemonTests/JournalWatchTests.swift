import Testing

@testable import NetAnomalyDaemon

@Suite struct JournalWatchTests {
    private typealias Sight = JournalPlace.Sight

    /// A journal on a disk with room, whose file has that time; nil: there is none.
    private func sight(_ time: Int64?, free: UInt64? = 1 << 30, isInMemory: Bool = false) -> Sight {
        let stamp = time.map { JournalPlace.Stamp(inode: 1, bytes: 8 << 20, modifiedNanoseconds: $0) }
        return Sight(stamps: [stamp, nil], freeBytes: free, isInMemory: isInMemory)
    }

    /// A watch that has seen the file change: 10 entries were stored up to second 2.
    private func proven() -> JournalWatch {
        var watch = JournalWatch(after: 0)
        #expect(watch.look(sight(1), fetched: 10, now: 0) == nil)
        #expect(watch.look(sight(2), fetched: 10, now: 1 * second) == nil)
        #expect(watch.look(sight(3), fetched: 10, now: 2 * second) == nil)
        return watch
    }

    @Test func `what is written is looked after, and then nothing more`() {
        var watch = JournalWatch(after: 7)
        #expect(!watch.isDue(handedOver: 7, now: 0) && watch.nextLook == nil)
        let isDue = watch.isDue(handedOver: 8, now: 0)
        #expect(isDue)
        _ = watch.look(sight(1), fetched: 8, now: 0)
        #expect(!watch.isDue(handedOver: 8, now: 0) && watch.nextLook == second)
        _ = watch.look(sight(1), fetched: 8, now: second)
        var looks = 0
        while watch.isDue(handedOver: 8, now: 100 * second), looks < 10 {
            _ = watch.look(sight(2), fetched: 8, now: 100 * second)
            looks += 1
        }
        #expect(looks < 4 && watch.nextLook == nil)
    }

    @Test func `a file that stands for five seconds after an entry is told once`() {
        var watch = proven()
        for time in 3..<8 { #expect(watch.look(sight(3), fetched: 20, now: UInt64(time) * second) == nil) }
        let deafness = JournalWatch.Deafness(
            firstSequence: 11, sinceNanoseconds: 3 * second, isDiskFull: false, isInMemory: false)
        #expect(watch.look(sight(3), fetched: 21, now: 8 * second) == .deaf(deafness))
        #expect(watch.deafness == deafness)
        #expect(watch.look(sight(3), fetched: 30, now: 9 * second) == nil)
        #expect(
            watch.look(sight(4), fetched: 31, now: 20 * second) == .hears(11...31, sinceNanoseconds: 3 * second))
        #expect(watch.deafness == nil)
    }

    @Test func `the file's end and a fallback to memory are named with the full disk`() {
        var watch = proven()
        for time in 3..<8 {
            #expect(watch.look(sight(nil, free: 4096), fetched: 20, now: UInt64(time) * second) == nil)
        }
        let finding = watch.look(sight(nil, free: 4096, isInMemory: true), fetched: 20, now: 8 * second)
        #expect(
            finding
                == .deaf(
                    JournalWatch.Deafness(
                        firstSequence: 11, sinceNanoseconds: 3 * second, isDiskFull: true, isInMemory: true)))
    }

    @Test func `entries of the last change but one are not taken for stored`() {
        var watch = proven()
        #expect(watch.look(sight(4), fetched: 20, now: 3 * second) == nil)
        #expect(watch.look(sight(5), fetched: 30, now: 4 * second) == nil)
        for time in 5..<10 { #expect(watch.look(sight(5), fetched: 40, now: UInt64(time) * second) == nil) }
        _ = watch.look(sight(5), fetched: 40, now: 10 * second)
        #expect(watch.deafness?.firstSequence == 11)
    }

    @Test func `no entry, no deafness`() {
        var watch = proven()
        for time in 3..<100 { #expect(watch.look(sight(3), fetched: 10, now: UInt64(time) * second) == nil) }
    }

    @Test func `a journal that has not fetched the entries hangs, and is not deaf`() {
        var watch = proven()
        for time in 3..<100 { #expect(watch.look(sight(3), fetched: nil, now: UInt64(time) * second) == nil) }
        for time in 100..<105 { #expect(watch.look(sight(3), fetched: 20, now: UInt64(time) * second) == nil) }
        #expect(watch.look(sight(4), fetched: 20, now: 105 * second) == nil)
    }

    @Test func `time in which nobody ran does not count`() {
        var watch = proven()
        #expect(watch.look(sight(3), fetched: 20, now: 3 * second) == nil)
        for time in 3600..<3604 { #expect(watch.look(sight(3), fetched: 20, now: UInt64(time) * second) == nil) }
        #expect(watch.look(sight(4), fetched: 20, now: 3604 * second) == nil)
    }

    @Test func `a flood that journald cannot keep up with does not hide that nothing is stored`() {
        var watch = proven()
        for time in 3..<13 {
            let fetched: UInt64? = time % 2 == 0 ? nil : UInt64(time) * 100
            #expect(watch.look(sight(3), fetched: fetched, now: UInt64(time) * second) == nil)
        }
        _ = watch.look(sight(3), fetched: 2000, now: 13 * second)
        #expect(watch.deafness?.firstSequence == 11)
    }

    @Test func `a change counts also while entries are on their way`() {
        var watch = proven()
        for time in 3..<100 {
            let isFetched = time % 4 != 0
            let finding = watch.look(
                sight(Int64(time / 4)), fetched: isFetched ? UInt64(time) * 10 : nil,
                now: UInt64(time) * second)
            #expect(finding == nil)
        }
    }

    @Test func `a file that never changed before our eyes proves nothing`() {
        var watch = JournalWatch(after: 0)
        for time in 0..<100 { #expect(watch.look(sight(1), fetched: UInt64(time), now: UInt64(time) * second) == nil) }
    }

    @Test func `where files are not shown, a full file system tells, and its end`() {
        var watch = JournalWatch(after: 0)
        #expect(watch.look(sight(nil), fetched: 5, now: 0) == nil)
        for time in 1..<6 { #expect(watch.look(sight(nil, free: 0), fetched: 9, now: UInt64(time) * second) == nil) }
        _ = watch.look(sight(nil, free: 0), fetched: 9, now: 6 * second)
        #expect(watch.deafness?.isDiskFull == true)
        #expect(watch.look(sight(nil), fetched: 9, now: 7 * second) == .hears(1...9, sinceNanoseconds: second))
    }

    @Test func `a journal that has moved into memory is not shown, and not deaf`() {
        var watch = proven()
        for time in 3..<100 {
            let fetched = UInt64(time) * 10
            #expect(watch.look(sight(3, isInMemory: true), fetched: fetched, now: UInt64(time) * second) == nil)
        }
        for time in 100..<105 {
            let full = sight(3, free: 0, isInMemory: true)
            #expect(watch.look(full, fetched: 2000, now: UInt64(time) * second) == nil)
        }
        _ = watch.look(sight(3, free: 0, isInMemory: true), fetched: 2000, now: 105 * second)
        #expect(watch.deafness?.isDiskFull == true)
    }

    @Test func `where nothing is shown at all, nothing is said`() {
        var watch = JournalWatch(after: 0)
        let nothing = Sight(stamps: [], freeBytes: nil, isInMemory: false)
        for time in 0..<100 { #expect(watch.look(nothing, fetched: UInt64(time), now: UInt64(time) * second) == nil) }
    }
}
