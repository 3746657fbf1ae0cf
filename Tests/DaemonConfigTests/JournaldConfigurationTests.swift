import AnomalyModel
import Testing

@testable import DaemonConfig

@Suite struct JournaldConfigurationTests {
    private func read(_ texts: String...) -> JournaldConfiguration {
        JournaldConfiguration(
            sources: texts.map { ConfigurationSource(path: "journald.conf", bytes: Array($0.utf8)) })
    }

    @Test func `without a word journald takes 10000 entries in 30 s and keeps all of them`() {
        let configuration = read()
        #expect(configuration.rateLimitIntervalNanoseconds == 30 * TimeSpan.second)
        #expect(configuration.rateLimitBurst == 10_000)
        #expect(!configuration.isStorageOff && configuration.maxLevelStore == .debug)
        #expect(configuration == read("[Journal]\n#Storage=none\n;RateLimitBurst=1\n"))
    }

    @Test func `a later file wins`() {
        let configuration = read(
            "[Journal]\nStorage=none\nRateLimitIntervalSec=1min\nRateLimitBurst=5\nMaxLevelStore=err\n",
            "[Journal]\nRateLimitBurst=70000\nMaxLevelStore=5\n")
        #expect(configuration.rateLimitIntervalNanoseconds == TimeSpan.minute)
        #expect(configuration.rateLimitBurst == 70_000)
        #expect(configuration.isStorageOff && configuration.maxLevelStore == .notice)
    }

    @Test(arguments: ["RateLimitIntervalSec=soon", "RateLimitBurst=many", "MaxLevelStore=loud", "Storage=cloud"])
    func `what journald would not understand changes nothing`(line: String) {
        #expect(read("[Journal]\n\(line)\n[Journal\nx\n") == read())
        let key = line.prefix { $0 != "=" }
        #expect(read("[Journal]\n\(key)=\n") == read())
    }

    @Test func `a key of another section is not journald's`() {
        #expect(read("RateLimitBurst=1\n[Upload]\nRateLimitBurst=2\n") == read())
    }

    @Test func `forwarding is known only where it is said`() {
        #expect(read("[Journal]\nStorage=none\n").forwardsToSyslog == nil)
        #expect(read("[Journal]\nForwardToSyslog=yes\n").forwardsToSyslog == true)
        #expect(read("[Journal]\nForwardToSyslog=yes\n", "[Journal]\nForwardToSyslog=no\n").forwardsToSyslog == false)
    }

    @Test func `an interval may be endless, or 0 for no limit`() {
        #expect(read("[Journal]\nRateLimitIntervalSec=infinity\n").rateLimitIntervalNanoseconds == .max)
        #expect(read("[Journal]\nRateLimitInterval=0\n").rateLimitIntervalNanoseconds == 0)
    }
}
