import AnomalyModel
import DaemonConfig
import Detectors
import Glibc
import NetAnomalyDaemon
import TracingBackends

/// The daemon's own detectors at work on the test network, and what they have seen there.
final class Observer {
    /// When one rule was first seen since `forget()`.
    struct Sighting: Equatable {
        let hook: String
        /// From the kernel's time of the event to this process having it decoded.
        let afterNanoseconds: UInt64
    }

    private final class Notebook {
        var sightings: [RuleName: Sighting] = [:]
    }

    private let notebook: Notebook
    private let runners: [DetectorRunner]
    private let usual: Configuration
    private let everything: Configuration
    /// CLOCK_BOOTTIME, after the last probe was attached.
    let startedNanoseconds: UInt64

    /// Loads and attaches everything.
    ///
    /// - Parameter namespace: inode of the network namespace whose events count.
    init(namespace: UInt32) throws(SelfTestFailure) {
        let notebook = Notebook()
        self.notebook = notebook
        usual = Self.configuration(allRules.filter(\.isEnabledByDefault))
        everything = Self.configuration(allRules)
        runners = allDetectors.map { detector in
            DetectorRunner(detector) { anomaly in
                guard anomaly.key.networkNamespace == namespace else { return }
                let sighting = Sighting(
                    hook: anomaly.probe,
                    afterNanoseconds: boottimeNanoseconds() &- anomaly.boottimeNanoseconds)
                for rule in [anomaly.rule.name] + anomaly.also where notebook.sightings[rule] == nil {
                    notebook.sightings[rule] = sighting
                }
            }
        }
        for runner in runners {
            runner.start(usual)
            if let failure = runner.failure { throw SelfTestFailure(failure) }
        }
        startedNanoseconds = boottimeNanoseconds()
    }

    /// Each event has an entry of its own, and no device but the test's is judged, whatever else this machine does.
    private static func configuration(_ rules: [Rule]) -> Configuration {
        let limits = "[Limits]\nDedupIntervalSec=0\nRateLimitIntervalSec=1s\nRateLimitBurst=10000\n"
        let trust = "[Trust]\nWatchInterfaces=\(TestNetwork.devicePattern)\n"
        let sections = allRules.map { rule in
            "[Rule \(rule.name)]\nEnabled=\(rules.contains { $0.name == rule.name } ? "yes" : "no")\n"
        }
        let text = limits + trust + sections.joined()
        do {
            return try Configuration(
                sources: [ConfigurationSource(path: "self-test", bytes: Array(text.utf8))], rules: allRules)
        } catch {
            preconditionFailure("the self-test's own configuration: \(error.description)")
        }
    }

    /// Each probe with its state.
    var probes: [(probe: Probe, state: ProbeState)] { runners.flatMap(\.probes) }

    /// Has the rules that are off by default judged, too, or no longer: some of them report every packet.
    func judge(offByDefault: Bool) throws(SelfTestFailure) {
        do {
            for runner in runners { try runner.put(offByDefault ? everything : usual) }
        } catch {
            throw SelfTestFailure(error)
        }
    }

    /// Starts anew: what was seen before does not count.
    func forget() {
        drain()
        notebook.sightings.removeAll()
    }

    /// Waits for a rule, if need be until the deadline (CLOCK_BOOTTIME).
    func wait(for rule: RuleName, until deadline: UInt64) -> Sighting? {
        while true {
            drain()
            if let sighting = notebook.sightings[rule] { return sighting }
            let now = boottimeNanoseconds()
            guard now < deadline else { return nil }
            var requests = runners.compactMap(\.descriptor).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            poll(&requests, nfds_t(requests.count), CInt((deadline - now) / 1_000_000 + 1))
        }
    }

    private func drain() {
        let now = boottimeNanoseconds()
        runners.forEach { $0.drain(now: now) }
    }
}
