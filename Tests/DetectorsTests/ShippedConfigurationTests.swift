import AnomalyModel
import DaemonConfig
import Detectors
import NetAnomalyDaemon
import Testing

/// The file that is installed: every setting with its default, commented out.
@Suite struct ShippedConfigurationTests {
    private let text: String
    private let defaults: Configuration

    init() throws {
        text = try repositoryFile("etc/netanomaly.conf")
        defaults = try Configuration(sources: [], rules: allRules)
    }

    private func read(_ text: String) throws -> Configuration {
        let source = ConfigurationSource(path: "netanomaly.conf", bytes: Array(text.utf8))
        return try Configuration(sources: [source], rules: allRules)
    }

    /// Every line with a setting or a section, whether commented out or not; a comment in words has a space first.
    private var uncommented: String {
        text.split(separator: "\n").map { line in
            line.hasPrefix("#") && line.dropFirst().first != " " ? line.dropFirst() : line
        }.joined(separator: "\n")
    }

    @Test func asShippedItSetsNothing() throws {
        let shipped = try read(text)
        #expect(shipped == defaults)
        #expect(shipped.settings.allSatisfy { $0.origin == "default" })
    }

    @Test func uncommentedItSetsTheDefaults() throws {
        // The script at the end is an example: a section that is nothing by default.
        let withoutScript = try #require(uncommented.split(separator: "[Script tcp-storm]\n").first)
        #expect(try read(String(withoutScript)) == defaults)
        let everything = try read(uncommented)
        let script = try #require(everything.scripts.first)
        #expect(everything.scripts.count == 1)
        #expect(everything == (try read("[Script \(script.name)]\nPath=\(script.path)")))
        #expect(everything.settings.contains { $0.key == "MinSegmentBytes" && $0.origin != "default" })
    }

    @Test func itNamesEveryKeyOfEverySection() throws {
        for setting in try read(uncommented).settings {
            #expect(text.contains("\n#\(setting.key)="), "\(setting.key)")
            if !setting.section.hasPrefix("Rule "), !setting.value.isEmpty {
                #expect(setting.origin != "default", "[\(setting.section)] \(setting.key)")
            }
        }
    }

    @Test(arguments: allRules.filter { $0.threshold != nil }) func itShowsTheThreshold(_ rule: Rule) throws {
        let threshold = try #require(rule.threshold)
        #expect(threshold.range.contains(threshold.defaultValue))
        let section = try #require(text.split(separator: "[Rule \(rule.name)]\n").dropFirst().first)
        #expect(section.contains("\n#\(threshold.key)=\(threshold.defaultValue)\n"))
    }
}
