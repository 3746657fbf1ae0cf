import AnomalyModel
import DaemonConfig
import Testing

/// Two detectors, a rule that is off by default, and one with a threshold.
let sampleRules = [
    Rule("arp-malformed", detector: DetectorName("arp"), messageID: "", priority: .warning, summary: ""),
    Rule("arp-address-conflict", detector: DetectorName("arp"), messageID: "", priority: .critical, summary: ""),
    Rule(
        "arp-trace", detector: DetectorName("arp"), messageID: "", priority: .debug, isEnabledByDefault: false,
        summary: ""),
    Rule(
        "gso-tiny-size", detector: DetectorName("tun-gso"), messageID: "", priority: .warning, summary: "",
        threshold: RuleThreshold(key: "MinSegmentBytes", defaultValue: 48, range: 8...1500, meaning: "")),
]

/// A value in each list, not in canonical form.
let trustText = #"""
    [Trust]
    VirtualMACs=02:00:5E:00:01:00/40  02:80:00:00:00:00/9 \
      0a:00:00:00:00:07/48
    KnownBindings=192.0.2.1=02:00:00:00:00:0A \
    # its standby
      192.0.2.1=02:00:00:00:00:0b
    ServiceAddresses=192.0.2.200/32 198.51.100.0/24
    WatchInterfaces=eth[0-9] !x
    IgnoreInterfaces=docker* veth?
    [Rule arp-malformed]
    IgnoreInterfaces=br-*
    IgnoreMACs=* 02:00:00:*
    IgnoreAddresses=0.0.0.0/0
    [Rule gso-tiny-size]
    IgnoreInterfaces=tap*
    """#

/// Two scripts, one of them with all keys.
let scriptText = """
    [Script tcp-storm]
    Path=/etc/netanomaly.d/tcp storm.bt
    Enabled=no
    Arguments=100  10\t10
    Priority=warning
    KeyFields=saddr  dport pid
    DedupIntervalSec=5min
    RateLimitIntervalSec=1min
    RateLimitBurst=7
    [Script drops]
    Path=/etc/netanomaly.d/drops.bt
    """

let second: UInt64 = 1_000_000_000

/// Each text is a file: `1.conf`, `2.conf`, ...
func configuration(_ texts: String...) throws(ConfigurationErrors) -> Configuration {
    let sources = texts.enumerated().map {
        ConfigurationSource(path: "\($0.offset + 1).conf", bytes: Array($0.element.utf8))
    }
    return try Configuration(sources: sources, rules: sampleRules)
}

/// The lines that a user sees for files with errors.
func errors(_ texts: String...) -> [String] {
    errors(texts.map { Array($0.utf8) })
}

func errors(_ files: [[UInt8]]) -> [String] {
    let sources = files.enumerated().map {
        ConfigurationSource(path: "\($0.offset + 1).conf", bytes: $0.element)
    }
    do {
        _ = try Configuration(sources: sources, rules: sampleRules)
        return []
    } catch {
        return error.description.split(separator: "\n").map(String.init)
    }
}

func settings(of rule: String, in configuration: Configuration) throws -> RuleSettings {
    try #require(configuration.rules[RuleName(rule)])
}
