import FoundationEssentials

/// The daemon's status report, as it sends it; netanomalyctl(1) documents the members.
public struct Status: Decodable, Sendable {
    /// One rule's account.
    public struct Account: Decodable, Sendable {
        public let enabled: Bool
        public let seen, written, deduplicated, limited, overflow, lostRing, lostJournal, pending: UInt64

        /// Events that got no entry and are in no later entry's count either.
        public var lost: UInt64 { overflow + lostRing + lostJournal }
    }

    /// One attachment point.
    public struct Probe: Decodable, Sendable {
        public let probe: String
        public let attached: Bool
        public let reason: String?
        public let notWatched: String?
        public let rules: [String]
    }

    /// One family of rules.
    public struct Detector: Decodable, Sendable {
        public let name: String
        public let enabled, running: Bool
        public let problem: String?
        public let keys, missed, undecodable: UInt64
        public let probes: [Probe]
    }

    /// Where records go, and what did not get there.
    public struct Output: Decodable, Sendable {
        public let kind: String
        public let waiting: UInt64
        public let unreachable: String?
        public let lost: [String: UInt64]
    }

    /// One setting in force.
    public struct Setting: Decodable, Sendable {
        public let section, key, value, origin: String
    }

    public let version, state, backend: String
    public let startedBoottimeNs, nextSeq: UInt64
    public let namesFrames: Bool
    public let reloadProblem: String?
    public let rules: [String: Account]
    public let detectors: [Detector]
    public let output: Output
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
