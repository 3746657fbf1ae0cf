public import AnomalyModel

/// Keeps a rule to its rate, however many keys an attacker invents.
///
/// The generic cell rate algorithm in its virtual scheduling form (ITU-T I.371): one number per rule, the time at which
/// a steady stream would be due again. Nothing is refilled by a timer, and state outlives a change of settings.
public struct RateLimiter: Sendable {
    /// Read at every admission; replacing them keeps what each rule has used up.
    public var settings: GateSettings
    /// One entry per rule that was ever asked for; rules are few and fixed by the program and its configuration.
    private var dueAt: [RuleName: UInt64] = [:]

    /// Starts with every rule's burst unused.
    public init(settings: GateSettings) {
        self.settings = settings
    }

    /// True if the rule may write an entry now, and then counts it.
    ///
    /// - Parameter now: CLOCK_BOOTTIME in nanoseconds.
    public mutating func admit(_ rule: RuleName, now: UInt64) -> Bool {
        guard let rate = rate(of: rule, now: now) else { return true }
        dueAt[rule] = rate.isAdmitted ? saturatingSum(rate.due, rate.spacing) : rate.due
        return rate.isAdmitted
    }

    /// True if `admit` would refuse the rule an entry now, and then leaves what `admit` would: the debt as it was cut.
    ///
    /// A debt that is cut anew each time never ends.
    mutating func refuses(_ rule: RuleName, now: UInt64) -> Bool {
        guard let rate = rate(of: rule, now: now), !rate.isAdmitted else { return false }
        dueAt[rule] = rate.due
        return true
    }

    /// When the next entry of a rule is due, and whether it may come earlier; nil without a limit.
    private func rate(of rule: RuleName, now: UInt64) -> (due: UInt64, spacing: UInt64, isAdmitted: Bool)? {
        let limits = settings[rule]
        guard limits.rateLimitBurst > 0, limits.rateLimitIntervalNanoseconds > 0 else { return nil }
        let burst = UInt64(limits.rateLimitBurst)
        // Rounded up: never faster than configured.
        let spacing = (limits.rateLimitIntervalNanoseconds - 1) / burst + 1
        let (tolerance, overflow) = spacing.multipliedReportingOverflow(by: burst - 1)
        let lastAllowed = overflow ? .max : saturatingSum(now, tolerance)
        // A debt made under longer settings is cut to one full burst of the present ones.
        let due = min(max(dueAt[rule] ?? 0, now), saturatingSum(lastAllowed, spacing))
        return (due, spacing, due <= lastAllowed)
    }
}
