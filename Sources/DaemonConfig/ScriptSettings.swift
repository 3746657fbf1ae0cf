public import AnomalyModel

/// All that is configured of one script of the administrator's own.
public struct ScriptSettings: Sendable, Equatable {
    /// Each is a process of its own with some 100 MB: a machine has a handful.
    public static let maximumCount = 16
    /// More is a slip: bpftrace's own scripts take two or three.
    public static let maximumArguments = 16
    /// The most that bpftrace 0.17 makes of one, with `str($1)`.
    public static let maximumArgumentBytes = 200
    /// As many as a report may have fields.
    public static let maximumKeyFields = 32

    /// Its rules are named so, or begin so with a hyphen after it.
    public let name: String
    /// Absolute; judged when the files were read, and to be opened with ``ScriptFile/open(_:)``, which judges it again.
    public let path: String
    /// Whether it is run.
    public let isEnabled: Bool
    /// Positional parameters: `$1`, `$2` and so on.
    public let arguments: [String]
    /// Of reports that name none.
    public let priority: Priority
    /// See ``Limits/dedupIntervalNanoseconds``.
    public let dedupIntervalNanoseconds: UInt64
    /// See ``Limits/rateLimitIntervalNanoseconds``.
    public let rateLimitIntervalNanoseconds: UInt64
    /// See ``Limits/rateLimitBurst``.
    public let rateLimitBurst: UInt32
    /// Keys of the fields that make two reports of a rule the same; nil for those whose values are no numbers.
    public let keyFields: [String]?
}

extension ScriptSettings {
    init(_ section: Draft.ScriptSection, limits: Limits) {
        name = section.name
        // A section without one is an error before this.
        path = section.path ?? ""
        isEnabled = section.isEnabled
        arguments = section.arguments
        priority = section.priority
        dedupIntervalNanoseconds = section.dedupIntervalNanoseconds ?? limits.dedupIntervalNanoseconds
        rateLimitIntervalNanoseconds = section.rateLimitIntervalNanoseconds ?? limits.rateLimitIntervalNanoseconds
        rateLimitBurst = section.rateLimitBurst ?? limits.rateLimitBurst
        keyFields = section.keyFields
    }
}
