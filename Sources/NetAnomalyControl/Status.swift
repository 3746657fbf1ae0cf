import FoundationEssentials

/// The daemon's status report, as it sends it; netanomalyctl(1) documents the members.
public struct Status: Decodable, Sendable {
    /// One rule's account.
    public struct Account: Decodable, Sendable {
        /// By the configuration in force.
        public let enabled: Bool
        /// Events, as `RuleAccount` of the daemon has them: the first is the sum of the others.
        public let seen, written, deduplicated, limited, overflow, lostRing, lostJournal, pending: UInt64
        /// What `[Trust]` excuses, in none of the others.
        public let trusted: UInt64

        /// Events that got no entry and are in no later entry's count either.
        public var lost: UInt64 { overflow + lostRing + lostJournal }
    }

    /// One attachment point.
    public struct Probe: Decodable, Sendable {
        /// Mechanism and hook: `tp_btf:neigh_update`.
        public let probe: String
        /// Whether it sees anything.
        public let attached: Bool
        /// Why not.
        public let reason: String?
        /// What is not seen because of that.
        public let notWatched: String?
        /// Rules that need it.
        public let rules: [String]
    }

    /// One family of rules.
    public struct Detector: Decodable, Sendable {
        /// `arp`.
        public let name: String
        /// Wanted by the configuration, and at work.
        public let enabled, running: Bool
        /// Why it is not at work.
        public let problem: String?
        /// `libbpf` or `bpftrace`.
        public let backend: String
        /// Keys remembered, and packets skipped, by the kernel; nil under bpftrace.
        public let keys, missed: UInt64?
        /// Records, or lines, that no decoder took; nil of an own script.
        public let undecodable: UInt64?
        /// What rules about repetition forgot before its time, for want of memory; nil of an own script.
        public let forgotten: UInt64?
        /// Of programs and tables; nil under bpftrace.
        public let kernelMemoryBytes: UInt64?
        /// The child that watches; nil under libbpf.
        public let bpftrace: Bpftrace?
        /// What an own script printed that is no report.
        public let unreadableReports: UInt64?
        /// All attachment points.
        public let probes: [Probe]
    }

    /// A supervised child.
    public struct Bpftrace: Decodable, Sendable {
        /// `starting`, `running`, `waiting` (to be started again), `broken`, `stopping` or `stopped`.
        public let state: String
        /// Of the process, if there is one.
        public let pid: UInt64?
        /// Lines, and what became of the others.
        public let received, lost, unaccounted, oversized, unreadable, helperErrors: UInt64
        /// Processes after the first.
        public let restarts: UInt64

        /// Lines that nothing has judged.
        public var unjudged: UInt64 { lost + unaccounted + oversized + unreadable }
    }

    /// Where records go, and what did not get there.
    public struct Output: Decodable, Sendable {
        /// `journal`, `json` or `text`.
        public let kind: String
        /// Entries that wait.
        public let waiting: UInt64
        /// Why there is no receiver at present.
        public let unreachable: String?
        /// Entries lost, by cause.
        public let lost: [String: UInt64]
    }

    /// One setting in force.
    public struct Setting: Decodable, Sendable {
        /// As a file says it, and `FILE:LINE` or `default`.
        public let section, key, value, origin: String
    }

    /// Of the daemon; `watching`, `degraded` or `stopped`; `libbpf` or `bpftrace`.
    public let version, state, backend: String
    /// CLOCK_BOOTTIME of the start; the sequence number of the next entry.
    public let startedBoottimeNs, nextSeq: UInt64
    /// Whether stacks show names.
    public let namesFrames: Bool
    /// Why the last reload was refused.
    public let reloadProblem: String?
    /// Each rule's account.
    public let rules: [String: Account]
    /// Every detector of the daemon.
    public let detectors: [Detector]
    /// Where records go.
    public let output: Output
    /// The configuration in force.
    public let configuration: [Setting]

    /// Reads a report.
    ///
    /// - Throws: `ControlFailure` when it is not one this version understands.
    public init(json: String) throws(ControlFailure) {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            self = try decoder.decode(Status.self, from: Data(json.utf8))
        } catch {
            throw ControlFailure("The daemon's status report is not of this version: \(error)")
        }
    }
}
