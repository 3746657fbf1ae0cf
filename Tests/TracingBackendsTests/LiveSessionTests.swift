import AnomalyModel
import Detectors
import Glibc
import Testing

@testable import TracingBackends

/// The real kernel half, one at a time: libbpf's log is of the load that runs.
@Suite(
    .serialized,
    .enabled(if: KernelRequirements.firstProblem() == nil, "needs root and a kernel with type information"))
struct LiveSessionTests {
    private func session(
        _ detector: any Detector.Type, object: ProbeObject? = nil, probes: [Probe]? = nil, maxKeys: UInt32 = 64,
        maxMemory: UInt32 = 64
    ) throws(BackendError) -> ProbeSession {
        try ProbeSession(
            SessionRequest(
                images: [object ?? detector.object], probes: probes ?? detector.probes, maxKeys: maxKeys,
                maxMemory: maxMemory
            ) { _ in })
    }

    /// Settings under which nothing on a busy machine is counted.
    private func switchedOff(_ detector: any Detector.Type) -> [KernelRuleSettings] {
        detector.rules.map { rule in
            KernelRuleSettings(
                isEnabled: false, dedupIntervalNanoseconds: 60_000_000_000,
                rateLimitIntervalNanoseconds: 10_000_000_000, rateLimitBurst: 200,
                threshold: rule.threshold?.defaultValue ?? 0)
        }
    }

    @Test(arguments: allDetectors) func everyProbeAttaches(_ detector: any Detector.Type) throws {
        let session = try session(detector)
        #expect(session.states.isEmpty)
        session.attach(now: 1)
        #expect(session.states == detector.probes.map { _ in .attached })
        #expect(session.descriptor >= 0)
        session.detach()
    }

    @Test(arguments: allDetectors) func anObjectThatThisKernelDoesNotTakeIsPassedOver(_ detector: any Detector.Type)
        throws
    {
        let foreign = ProbeObject(name: "foreign", size: 8, words: [0])
        let images = [foreign] + detector.fasterObjects + [detector.object]
        let session = try ProbeSession(
            SessionRequest(images: images, probes: detector.probes, maxKeys: 64, maxMemory: 64) { _ in })
        session.attach(now: 1)
        #expect(session.states == detector.probes.map { _ in .attached })
    }

    @Test(arguments: allDetectors) func aFreshSessionHasCountedNothing(_ detector: any Detector.Type) throws {
        let session = try session(detector)
        session.attach(now: 1)
        try session.apply(switchedOff(detector), trust: noTrust)
        for rule in detector.rules.indices { #expect(try session.totals(rule: rule) == KernelTotals()) }
        for isFinal in [false, true] {
            let result = try session.sweep(now: 1_000_000_000, isFinal: isFinal)
            #expect(result == SweepResult(keys: 0, nextNanoseconds: nil, isIncomplete: false))
        }
        #expect(session.drain() == 0)
        #expect(session.missed() == 0)
    }

    @Test(arguments: allDetectors) func settingsOfTooManyRulesAreRefused(_ detector: any Detector.Type) throws {
        let session = try session(detector)
        let rule = try #require(switchedOff(detector).first)
        #expect(throws: BackendError.failed(what: "Cannot write a BPF map", code: E2BIG)) {
            try session.apply([KernelRuleSettings](repeating: rule, count: 33), trust: noTrust)
        }
    }

    @Test(arguments: allDetectors, [UInt32(16), 1_048_576])
    func theKeyTableTakesEverySizeThatCanBeConfigured(_ detector: any Detector.Type, _ maxKeys: UInt32) throws {
        let session = try session(detector, maxKeys: maxKeys)
        session.attach(now: 1)
        #expect(session.states == detector.probes.map { _ in .attached })
    }

    @Test(arguments: allDetectors, [UInt32(1), 1024, 1_048_576])
    func theMemoryTakesEverySizeThatCanBeConfigured(_ detector: any Detector.Type, _ maxMemory: UInt32) throws {
        let session = try session(detector, maxMemory: maxMemory)
        session.attach(now: 1)
        try session.apply(switchedOff(detector), trust: noTrust)
        #expect(session.states == detector.probes.map { _ in .attached })
        #expect(session.forgotten() == 0)
    }

    /// Every detector gets all of it, and uses what its rules ask for.
    @Test(arguments: allDetectors) func everyDetectorTakesWhateverIsTrusted(_ detector: any Detector.Type) throws {
        let prefix = TrustTables.Prefix(bytes: [2, 0, 0, 0, 0, 1], length: 32, flags: 1, ignoredRules: 1)
        let trust = TrustTables(
            globs: noTrust.globs, macs: [prefix], addresses: [prefix], bindings: [.init(address: 1, mac: 0)])
        let session = try session(detector)
        session.attach(now: 1)
        for tables in [trust, noTrust, trust] { try session.apply(switchedOff(detector), trust: tables) }
    }

    /// The promise for a host with all rules and the default limits.
    @Test func theDefaultLimitsTakeLessThanEightMegabytesOfKernelMemory() throws {
        let bytes = try allDetectors.map { try session($0, maxKeys: 8192, maxMemory: 16384).kernelMemoryBytes() }
        #expect(bytes.allSatisfy { $0 > 300_000 }, "\(bytes): the key table alone is larger")
        #expect(bytes.reduce(0, +) < 8_000_000, "\(bytes)")
    }

    @Test func moreMemoryIsCounted() throws {
        let small = try session(allDetectors[0], maxMemory: 1024).kernelMemoryBytes()
        let large = try session(allDetectors[0], maxMemory: 1024 + 65536).kernelMemoryBytes()
        #expect((65536 * 32..<65536 * 33).contains(large - small))
    }

    @Test(arguments: allDetectors) func aProgramThatIsNotThereFailsAlone(_ detector: any Detector.Type) throws {
        let invented = Probe(program: "on_nothing", hook: "nothing", lossWithout: "nothing", rules: [])
        let session = try session(detector, probes: detector.probes + [invented])
        session.attach(now: 1)
        let reason = "cannot attach to tracepoint nothing: No such file or directory"
        #expect(session.states == detector.probes.map { _ in .attached } + [.failed(reason)])
    }

    /// The detector's object with hooks that no kernel has.
    private func object(of detector: any Detector.Type, without hooks: [String]) -> ProbeObject {
        hooks.reduce(detector.object) { object, hook in
            renaming("tp_btf/" + hook, to: "tp_btf/x" + hook.dropFirst(), in: object)
        }
    }

    @Test(arguments: allDetectors) func aHookThatThisKernelLacksFailsAlone(_ detector: any Detector.Type) throws {
        let lost = try #require(detector.probes.last)
        let session = try session(detector, object: object(of: detector, without: [lost.hook]))
        session.attach(now: 1)
        let reason = "this kernel has no tracepoint \(lost.hook) with type information"
        #expect(session.states == detector.probes.dropLast().map { _ in .attached } + [.missing(reason)])
    }

    @Test(arguments: allDetectors) func aDetectorNoneOfWhoseHooksIsThereIsUnusable(_ detector: any Detector.Type) {
        let foreign = object(of: detector, without: detector.probes.map(\.hook))
        let reason = "this kernel has none of its hooks"
        #expect(throws: BackendError.unusable(object: detector.object.name, reason: reason)) {
            try session(detector, object: foreign)
        }
    }

    @Test(arguments: allDetectors) func whatIsNoObjectIsUnusable(_ detector: any Detector.Type) {
        let noise = ProbeObject(name: "noise", size: 64, words: [UInt64](repeating: 0, count: 8))
        do {
            _ = try session(detector, object: noise)
            Issue.record("zeros were loaded")
        } catch {
            guard case .unusable(object: "noise", let reason) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(reason.contains("ELF"), "\(reason)")
        }
    }

    @Test func addressesOfFunctionsGetTheirNames() throws {
        let namer = try #require(FrameNamer())
        // A return address lies behind the call: the kernel names what comes before it.
        let address = try kernelAddress(of: "arp_rcv") + 4
        let names = namer.names(of: [address])
        #expect(names.count == 1)
        #expect(names.first?.hasPrefix("arp_rcv+0x4/0x") == true, "\(names)")
    }

    @Test func addressesOfNothingStayNumbers() throws {
        let namer = try #require(FrameNamer())
        #expect(namer.names(of: [0x1234, 0xdead_beef]) == ["0x1234", "0xdeadbeef"])
        #expect(namer.names(of: []).isEmpty)
    }

    @Test func moreAddressesThanOneRunTakesKeepTheirOrder() throws {
        let namer = try #require(FrameNamer())
        let numbers = (1...25).map { UInt64($0) << 8 }
        #expect(namer.names(of: numbers) == numbers.map(FrameNamer.plain))
    }
}
