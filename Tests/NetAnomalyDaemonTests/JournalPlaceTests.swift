import Glibc
import Testing

@testable import NetAnomalyDaemon

@Suite struct JournalPlaceTests {
    private static let mounts = """
        22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
        61 22 0:25 /systemd/journal /run/systemd/other ro - tmpfs tmpfs rw
        62 22 0:25 /systemd/journal.audit /run/systemd/journal ro - tmpfs tmpfs rw
        """

    @Test func `a journal namespace shows in the mounts`() {
        #expect(JournalPlace.logNamespace(mounts: Self.mounts) == "audit")
        #expect(JournalPlace.logNamespace(mounts: "") == nil)
        let others = [
            "62 22 0:25 /systemd/journal /run/systemd/journal ro", "62 22 0:25 /x/journal. /run/systemd/journal ro",
            "62 22 0:25", "62 22 0:25 / /run/systemd/journal ro",
        ]
        for line in others { #expect(JournalPlace.logNamespace(mounts: line) == nil) }
    }

    @Test func `a file changes its stamp, and one that has not become whole has none`() throws {
        let tree = try FileTree()
        try tree.write("etc/machine-id", "0f\n")
        let file = try tree.write("var/log/journal/0f/system.journal", "header")
        let place = JournalPlace(root: tree.root)
        #expect(place.folders.first == tree.root + "/var/log/journal/0f")
        #expect(place.sight.stamps == [nil, nil] && !place.sight.isInMemory)
        #expect((place.sight.freeBytes ?? 0) > 0)
        try #require(truncate(file, JournalPlace.minimumFileBytes) == 0)
        let before = try #require(place.sight.stamps[0])
        try #require(truncate(file, JournalPlace.minimumFileBytes + 1) == 0)
        #expect(place.sight.stamps[0] != before)
    }

    @Test func `without a machine ID nothing is watched`() throws {
        let sight = JournalPlace(root: try FileTree().root).sight
        #expect(sight == JournalPlace.Sight(stamps: [], freeBytes: nil, isInMemory: false))
    }
}
