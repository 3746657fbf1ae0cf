public import AnomalyModel
import Glibc

/// What systemd-journald's own configuration says about entries such as ours: journald.conf(5).
///
/// Read as journald reads it: later files win, and what it would not understand changes nothing.
public struct JournaldConfiguration: Sendable, Equatable {
    /// `RateLimitIntervalSec=` in nanoseconds; 0 switches the limit off.
    public private(set) var rateLimitIntervalNanoseconds = 30 * TimeSpan.second
    /// `RateLimitBurst=`; 0 switches the limit off.
    public private(set) var rateLimitBurst: UInt64 = 10_000
    /// `Storage=none`: nothing is kept.
    public private(set) var isStorageOff = false
    /// `ForwardToSyslog=`; nil if it is not set, since distributions differ in what that means.
    public private(set) var forwardsToSyslog: Bool?
    /// `MaxLevelStore=`: what is less urgent is not kept.
    public private(set) var maxLevelStore = Priority.debug

    /// Takes the files in the order in which they are to be read.
    public init(sources: [ConfigurationSource]) {
        for source in sources {
            var isJournal = false
            for statement in ConfigurationDocument(source.bytes) {
                switch statement.content {
                case .section(let name, _): isJournal = name == "Journal"
                case .assignment(let key, let value, _) where isJournal: set(key, value)
                case .assignment, .malformedSection, .malformedLine: break
                }
            }
        }
    }

    /// That of this machine, or of one of its journal namespaces.
    public static func load(logNamespace: String? = nil) -> JournaldConfiguration {
        let name = logNamespace.map { "journald@\($0).conf" } ?? "journald.conf"
        // The weakest first. Only systemd from 256 on has main files outside /etc.
        let files = ["/usr/lib", "/usr/local/lib", "/run", "/etc"].map { "\($0)/systemd/\(name)" }
        let location = ConfigurationLocation(
            mainFile: files.last { access($0, F_OK) == 0 } ?? files[0], isMainFileRequired: false,
            dropInDirectories: files.map { $0 + ".d" })
        var ignored = ConfigurationErrors()
        return JournaldConfiguration(sources: location.read(reporting: &ignored))
    }

    private mutating func set(_ key: String, _ value: String) {
        switch key {
        case "RateLimitIntervalSec", "RateLimitInterval":
            if value == "infinity" { rateLimitIntervalNanoseconds = .max }
            if let span = try? TimeSpan.nanoseconds(value) { rateLimitIntervalNanoseconds = span }
        case "RateLimitBurst":
            if let burst = UInt64(value) { rateLimitBurst = burst }
        case "Storage":
            if ["auto", "persistent", "volatile", "none"].contains(value) { isStorageOff = value == "none" }
        case "ForwardToSyslog":
            if let isOn = try? Syntax.boolean.parse(value) { forwardsToSyslog = isOn }
        case "MaxLevelStore":
            if let level = try? Syntax.priority.parse(value) { maxLevelStore = level }
        default: break
        }
    }
}
