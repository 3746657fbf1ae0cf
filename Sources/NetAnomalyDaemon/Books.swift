import AnomalyModel

/// The exact account of every rule, put together from the kernel's counts, the gate's and the output's.
struct Books {
    /// In the order of the detectors' rules.
    let accounts: [(rule: RuleName, account: RuleAccount)]
    /// Lines of bpftrace that were lost before they were judged: in no rule's account.
    var lostUnjudged: UInt64 = 0

    /// All rules together.
    var total: RuleAccount { accounts.reduce(RuleAccount()) { $0 + $1.account } }
}
