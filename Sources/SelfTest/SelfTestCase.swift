/// One anomaly and how it is made; ArpCases.swift and GSOCases.swift have a line for each.
struct SelfTestCase {
    /// The rule's name; several cases may be of one rule.
    let rule: String
    /// In words, as the end of "made by".
    let means: String
    /// What must have passed since the probes were attached.
    let warmUpNanoseconds: UInt64
    /// How long it may take to show.
    let patienceNanoseconds: UInt64
    /// Makes it, given the rule's threshold (0 if it has none).
    let make: (TestNetwork, Int) throws -> Void

    init(
        _ rule: String, _ means: String, warmUpNanoseconds: UInt64 = 0, patienceNanoseconds: UInt64 = 1_000_000_000,
        _ make: @escaping (TestNetwork, Int) throws -> Void
    ) {
        self.rule = rule
        self.means = means
        self.warmUpNanoseconds = warmUpNanoseconds
        self.patienceNanoseconds = patienceNanoseconds
        self.make = make
    }
}

/// Why a case could not be made.
enum CaseProblem: Error {
    /// This kernel lacks something or puts it right: nothing to be seen, and nothing wrong with us.
    case kernelRefuses(String)
    /// It should have worked.
    case failed(String)
}

/// What came of a rule.
enum Outcome: Equatable {
    case seen(hook: String, afterNanoseconds: UInt64)
    case notSeen
    /// Every probe that could see it is missing on this kernel.
    case blind(reason: String)
    case notMade(reason: String)
    /// It was to be made, and that failed.
    case failed(reason: String)

    /// True when something is wrong that this kernel does not explain.
    var isFailure: Bool {
        switch self {
        case .notSeen, .failed: true
        case .seen, .blind, .notMade: false
        }
    }
}

/// One line of the report.
struct ReportRow: Equatable {
    let rule: String
    /// How it was made; nil where it was not.
    let means: String?
    let outcome: Outcome
}
