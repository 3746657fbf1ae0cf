import AnomalyModel
import Detectors
import Glibc
import Testing

@testable import TracingBackends

/// What is trusted, and how it changes while packets come: real frames on a TAP nobody else has.
@Suite(
    .serialized,
    .enabled(
        if: KernelRequirements.firstProblem() == nil && access("/dev/net/tun", W_OK) == 0,
        "needs root, a kernel with type information, and TUN"))
struct LiveTrustTests {
    private static let arp = allDetectors[0]
    private static let first: [UInt8] = [2, 0x66, 0x7a, 0, 0, 1]
    private static let second: [UInt8] = [2, 0x66, 0x7b, 0, 0, 1]

    private let tap: LoneTap
    private let rule: Int
    private let received = Received()
    private let session: ProbeSession

    /// The kinds of anomalies that came out of the ring.
    private final class Received {
        var senders: [String] = []
    }

    init() throws {
        tap = try LoneTap(name: "natrust0")
        rule = try #require(Self.arp.rules.firstIndex { $0.name.text == "arp-bad-sender-ip" })
        let received = received
        let request = SessionRequest(images: [Self.arp.object], probes: Self.arp.probes, maxKeys: 64, maxMemory: 64) {
            guard let anomaly = try? Self.arp.decode($0), anomaly.interfaceName == "natrust0" else { return }
            received.senders += anomaly.fields.filter { $0.name == FieldName.arpSenderMAC.rawValue }.map(\.value)
        }
        session = try ProbeSession(request)
        session.attach(now: 1)
    }

    private func apply(_ tables: TrustTables) throws {
        let settings = Self.arp.rules.indices.map { index in
            KernelRuleSettings(
                isEnabled: index == rule, dedupIntervalNanoseconds: 0, rateLimitIntervalNanoseconds: 1_000_000_000,
                rateLimitBurst: 1000, threshold: 0)
        }
        try session.apply(settings, trust: tables)
    }

    private func trusting(_ mac: [UInt8]) -> TrustTables {
        var tables = noTrust
        // The first three bytes decide.
        tables.macs = [.init(bytes: mac, length: 24, flags: 0, ignoredRules: 1 << UInt32(rule))]
        return tables
    }

    /// Receives one frame of each sender, and says which of them were reported and how many excused.
    private func reported() throws -> (senders: [String], trusted: UInt64) {
        received.senders = []
        let before = try session.totals(rule: rule).account.trusted
        tap.receive(multicastSenderFrame(from: Self.first, number: 1))
        tap.receive(multicastSenderFrame(from: Self.second, number: 2))
        session.drain()
        return (received.senders, try session.totals(rule: rule).account.trusted - before)
    }

    @Test func eachReloadTrustsWhatItNamesAndNothingFromBefore() throws {
        let (first, second) = ("02:66:7a:00:00:01", "02:66:7b:00:00:01")
        let steps: [(TrustTables, [String])] = [
            (noTrust, [first, second]), (trusting(Self.first), [second]), (trusting(Self.second), [first]),
            // Nothing has changed, and back to what the other generation of the tables held.
            (trusting(Self.second), [first]), (trusting(Self.first), [second]), (noTrust, [first, second]),
        ]
        for (number, (tables, expected)) in steps.enumerated() {
            try apply(tables)
            let (senders, trusted) = try reported()
            #expect(senders == expected, "step \(number)")
            #expect(trusted == UInt64(2 - expected.count), "step \(number)")
        }
    }

    /// `natrust?` in lane 0 of the first word, as `KernelTrust` would make it.
    private var ignoringTheInterface: TrustTables {
        var word = noTrust.globs[0]
        for (index, character) in "natrust".utf8.enumerated() { word[Int(character)] |= 1 << UInt64(index + 1) }
        for character in 0..<256 { word[character] |= 1 << 8 }
        (word[256], word[258], word[260]) = (1, 1 << 8, 1 << UInt64(rule))
        var tables = noTrust
        tables.globs[0] = word
        return tables
    }

    @Test func anInterfaceIsLeftAloneUntilAReloadSaysOtherwise() throws {
        for tables in [ignoringTheInterface, noTrust, ignoringTheInterface] {
            try apply(tables)
            let (senders, trusted) = try reported()
            #expect(senders.count == (tables == noTrust ? 2 : 0))
            #expect(trusted == (tables == noTrust ? 0 : 2))
        }
    }

    @Test func aTableThatDoesNotFitChangesNothing() throws {
        try apply(trusting(Self.first))
        var tables = noTrust
        tables.bindings = (0..<16_385).map { TrustTables.Binding(address: UInt32($0), mac: 1) }
        #expect(throws: BackendError.failed(what: "Cannot write a BPF map", code: E2BIG)) { try apply(tables) }
        #expect(try reported() == (["02:66:7b:00:00:01"], 1))
        try apply(trusting(Self.second))
        #expect(try reported() == (["02:66:7a:00:00:01"], 1))
    }
}
