import AnomalyModel
import Glibc
import Testing
import TracingBackends

@testable import NetAnomalyDaemon
@testable import SystemdProtocols

/// One end of a pair as a descriptor that systemd kept, and the other to see whether it is closed.
private final class Kept {
    private let reader: Int32
    /// Whoever gets it closes it.
    let descriptor: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw CannotPrepare() }
        (reader, descriptor) = (ends[0], ends[1])
    }

    deinit { close(reader) }

    var isClosed: Bool {
        var request = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, 0) == 1 && request.revents & Int16(POLLHUP) != 0
    }
}

/// What is taken over and what is let go, with a real socket as systemd's end of the store.
@Suite struct ContinuityTests {
    private static let rules = [RuleName("arp-scan")]
    private let folder: TemporaryFolder
    private let manager: BoundSocket

    init() throws {
        folder = try TemporaryFolder()
        manager = try BoundSocket(path: folder.socket, type: SOCK_DGRAM)
    }

    private func continuity(_ received: [String: [Int32]] = [:], isWanted: Bool = true) throws -> Continuity {
        try Continuity(isWanted: isWanted, store: DescriptorStore(path: folder.socket), received: received)
    }

    /// What systemd was told: `+` for what it keeps, `-` for what it lets go.
    private var told: [String] {
        manager.receiveAll().map { bytes in
            let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            let name = lines.first { $0.hasPrefix("FDNAME=") }?.dropFirst(7) ?? "?"
            return (lines.contains("FDSTORE=1") ? "+" : lines.contains("FDSTOREREMOVE=1") ? "-" : "?") + name
        }
    }

    /// A descriptor of a state with that text; nil for one killed before its first commit.
    private func state(_ text: String?) throws -> Int32 {
        let memory = try StateMemory()
        if let text, !memory.commit(text) { throw CannotPrepare() }
        return fcntl(memory.descriptor, F_DUPFD_CLOEXEC, 0)
    }

    @Test func `where nobody keeps descriptors nothing is kept`() throws {
        let kept = try Kept()
        let alone = try Continuity(isWanted: true, store: nil, received: ["arp-maps-1": [kept.descriptor]])
        #expect(!alone.isKept && alone.inherited == StateText() && alone.problem == nil)
        #expect(alone.takeInherited(DetectorName("arp"), rules: Self.rules) == nil && kept.isClosed)
    }

    @Test func `the first process has its state kept`() throws {
        let first = try continuity()
        #expect(first.isKept && first.problem == nil && first.inherited == StateText())
        #expect(told == ["+state-1"])
        #expect(first.takeInherited(DetectorName("arp"), rules: Self.rules) == nil)
    }

    @Test func `the next goes on in the same memory`() throws {
        let next = try continuity(["state-4": [state("sequence 7\n")]])
        #expect(try next.inherited.amount("sequence") == 7)
        #expect(next.memory.text == "sequence 7\n" && next.problem == nil && told.isEmpty)
    }

    @Test func `of two states the newer by number is gone on with, and the other let go`() throws {
        let next = try continuity(["state-9": [state("sequence 1\n")], "state-10": [state("sequence 2\n")]])
        #expect(try next.inherited.amount("sequence") == 2)
        #expect(told.isEmpty, "not before the commit")
        next.didCommit()
        #expect(told == ["-state-9"])
    }

    @Test func `a new name is never one that systemd has`() throws {
        let kept = try Kept()
        let next = try continuity(["arp-hooks-41": [kept.descriptor]])
        #expect(told == ["+state-42"])
        #expect(next.takeInherited(DetectorName("arp"), rules: Self.rules) != nil)
    }

    @Test func `a state without a text is replaced`() throws {
        let next = try continuity(["state-1": [state(nil)]])
        #expect(next.problem == nil && next.inherited == StateText())
        next.didCommit()
        #expect(told == ["+state-2", "-state-1"])
    }

    @Test func `what is no state is named, replaced and closed`() throws {
        let kept = try Kept()
        let next = try continuity(["state-1": [kept.descriptor]])
        #expect(next.problem == "it is no memory of this version (Invalid argument)" && kept.isClosed)
        #expect(next.memory.text.isEmpty && next.inherited == StateText())
        next.didCommit()
        #expect(told == ["+state-2", "-state-1"])
    }

    @Test func `a text that is cut is named and not gone on with`() throws {
        let next = try continuity(["state-1": [state("sequence 7\nqueue 1 ")]])
        #expect(next.problem == "its last line 'queue 1 ' is cut" && next.inherited == StateText())
    }

    @Test func `what is not wanted is let go and closed`() throws {
        let kept = try (Kept(), Kept())
        let received = ["arp-maps-1": [kept.0.descriptor], "other": [kept.1.descriptor]]
        let unwanted = try continuity(received, isWanted: false)
        #expect(!unwanted.isKept && kept.0.isClosed && kept.1.isClosed)
        #expect(told.sorted() == ["-arp-maps-1", "-other"])
    }

    @Test(arguments: ["other", "arp-maps", "arp-maps-", "arp-maps-x", "", "-", "arp-maps-18446744073709551616"])
    func `descriptors with a name that we do not give are closed`(name: String) throws {
        let kept = try Kept()
        let next = try continuity([name: [kept.descriptor]])
        #expect(kept.isClosed)
        #expect(next.takeInherited(DetectorName("arp"), rules: Self.rules) == nil)
    }

    @Test func `what was left of a detector is taken once, and only its own`() throws {
        let kept = try (Kept(), Kept(), Kept())
        let next = try continuity([
            "state-1": [state("detector arp 5 6 7 8 1 2 1\nrules arp arp-scan\nreceived arp-scan 3\n")],
            "arp-maps-1": [kept.0.descriptor], "arp-hooks-2": [kept.1.descriptor], "gso-hooks-2": [kept.2.descriptor],
        ])
        do {
            let inherited = try #require(next.takeInherited(DetectorName("arp"), rules: Self.rules))
            #expect(inherited.session.layout == 5 && inherited.session.position == 6)
            #expect(inherited.written.missed == 7 && inherited.written.forgotten == 8)
            #expect(next.takeInherited(DetectorName("arp"), rules: Self.rules)?.session === inherited.session)
            // No map has its counts: what was received is all that is known.
            #expect(inherited.closedBooks().mapValues(\.seen) == [RuleName("arp-scan"): 3])
        }
        #expect(!kept.0.isClosed && told.isEmpty)
        next.discard(DetectorName("arp"))
        #expect(kept.0.isClosed && kept.1.isClosed && !kept.2.isClosed)
        #expect(next.takeInherited(DetectorName("arp"), rules: Self.rules) == nil, "its books are closed once")
        next.didCommit()
        #expect(told.sorted() == ["-arp-hooks-2", "-arp-maps-1"])
        #expect(next.takeInherited(DetectorName("gso"), rules: []) != nil)
    }

    @Test func `rules in another order are those of another detector`() throws {
        let kept = try Kept()
        let next = try continuity([
            "state-1": [state("detector arp 5 6 7 8 1 2 1\nrules arp arp-trace\n")], "arp-maps-1": [kept.descriptor],
        ])
        #expect(try #require(next.takeInherited(DetectorName("arp"), rules: Self.rules)).session.layout == nil)
    }

    @Test func `a state that was written down goes before a newer one that was not`() throws {
        let next = try continuity(["state-1": [state("sequence 7\n")], "state-2": [state(nil)]])
        #expect(try next.inherited.amount("sequence") == 7)
        next.didCommit()
        #expect(told == ["-state-2"])
    }

    @Test func `what nobody asked for is let go`() throws {
        let kept = try Kept()
        let next = try continuity(["vxlan-maps-3": [kept.descriptor]])
        next.discardUnclaimed()
        #expect(kept.isClosed)
        next.didCommit()
        #expect(told == ["+state-4", "-vxlan-maps-3"])
    }

    @Test func `a state that processes end with, one after the other, is given up`() throws {
        let memory = try state("sequence 7\n")
        var problems: [String?] = []
        for _ in 0..<6 {
            problems.append(try continuity(["state-1": [fcntl(memory, F_DUPFD_CLOEXEC, 0)]]).problem)
        }
        close(memory)
        #expect(problems.dropLast().allSatisfy { $0 == nil })
        #expect(problems.last == "processes that took it over ended before they could go on, time and again")
    }

    @Test func `of what is refused a session can only be ended`() throws {
        let kept = try Kept()
        let next = try continuity([
            "state-1": [state("detector arp 5 6 7 8 1 2 1\nrules arp arp-scan\n")], "arp-maps-1": [kept.descriptor],
        ])
        next.refuse(because: "'queue' is missing")
        #expect(next.problem == "'queue' is missing")
        #expect(try #require(next.takeInherited(DetectorName("arp"), rules: Self.rules)).session.layout == nil)
    }
}

@Suite struct WrittenDetectorTests {
    private func written(_ lines: String...) throws -> WrittenDetector {
        try WrittenDetector(DetectorName("arp"), in: StateText(parsing: lines.map { $0 + "\n" }.joined()))
    }

    @Test func `a detector takes its own lines and its rules' counts`() throws {
        let written = try written(
            "detector gso 1 1 1 1 1 1 1", "detector arp 18446744073709551615 2 3 4 5 6 7", "rules gso gso-tiny-size",
            "rules arp arp-scan arp-trace", "received arp-trace 9", "received gso-tiny-size 8",
            "earlier arp-scan 8 1 2 3 0 1 1 5")
        #expect(written.layout == .max && written.position == 2 && written.missed == 3 && written.forgotten == 4)
        #expect(written.place == Continuity.Place(maps: 5, hooks: 6, hookCount: 7))
        #expect(written.rules == [RuleName("arp-scan"), RuleName("arp-trace")])
        #expect(written.received == [RuleName("arp-trace"): 9])
        let earlier = try #require(written.earlier[RuleName("arp-scan")])
        #expect(written.earlier.count == 1 && earlier.seen == 8 && earlier.settled == 8 && earlier.trusted == 5)
    }

    @Test func `nothing written is nothing known`() throws {
        let written = try written("sequence 5")
        #expect(written.rules.isEmpty && written.received.isEmpty && written.layout == 0)
    }

    @Test(arguments: [
        ("detector", "'detector' has no word 1"), ("detector arp 1 2 3", "'detector' has no word 5"),
        ("detector arp x 2 3 4 5 6 7", "'x' in 'detector' is no number"), ("rules", "'rules' has no word 1"),
        ("rules arp a\nreceived", "'received' has no word 1"), ("rules arp a\nreceived a", "'received' has no word 2"),
        ("rules arp a\nreceived a 18446744073709551615", "'18446744073709551615' in 'received' is too large"),
        ("rules arp a\nearlier a 1 2", "'earlier' has no word 4"),
    ])
    func `a line that is not as it should be is a problem that names it`(text: String, problem: String) {
        #expect(#expect(throws: StateText.Problem.self) { try written(text) }?.description == problem)
    }
}
