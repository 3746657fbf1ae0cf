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
        let limits = settings[rule]
        guard limits.rateLimitBurst > 0, limits.rateLimitIntervalNanoseconds > 0 else { return true }
        let burst = UInt64(limits.rateLimitBurst)
        // Rounded up: never faster than configured.
        let spacing = (limits.rateLimitIntervalNanoseconds - 1) / burst + 1
        let (tolerance, overflow) = spacing.multipliedReportingOverflow(by: burst - 1)
        let lastAllowed = overflow ? .max : saturatingSum(now, tolerance)
        // A debt made under longer settings is cut to one full burst of the present ones.
        let due = min(max(dueAt[rule] ?? 0, now), saturatingSum(lastAllowed, spacing))
        let isAdmitted = due <= lastAllowed
        dueAt[rule] = isAdmitted ? saturatingSum(due, spacing) : due
        return isAdmitted
    }
}
