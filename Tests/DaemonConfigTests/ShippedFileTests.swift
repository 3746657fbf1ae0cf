import DaemonConfig
import Glibc
import Testing

@Suite struct ShippedFileTests {
    private let text: String

    init() throws {
        let path = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/etc/netanomaly.conf"
        let file = try #require(fopen(path, "r"), "cannot open \(path)")
        defer { fclose(file) }
        var bytes: [UInt8] = []
        while case let byte = getc(file), byte != EOF { bytes.append(UInt8(byte)) }
        text = try #require(String(validating: bytes, as: UTF8.self))
    }

    /// Every line with a setting or a section, whether commented out or not; a comment in words has a space first.
    private var uncommented: String {
        text.split(separator: "\n").map { line in
            line.hasPrefix("#") && line.dropFirst().first != " " ? line.dropFirst() : line
        }.joined(separator: "\n")
    }

    @Test func asShippedItSetsNothing() throws {
        let shipped = try configuration(text)
        #expect(try shipped == configuration())
        #expect(shipped.settings.allSatisfy { $0.origin == "default" })
    }

    @Test func uncommentedItSetsTheDefaults() throws {
        let everything = try configuration(uncommented)
        #expect(try everything == configuration())
        #expect(everything.settings.contains { $0.key == "MinSegmentBytes" && $0.origin != "default" })
    }

    @Test func itNamesEveryKeyOfEverySection() throws {
        let everything = try configuration(uncommented)
        for setting in everything.settings {
            #expect(text.contains("\n#\(setting.key)="), "\(setting.key)")
            if !setting.section.hasPrefix("Rule "), !setting.value.isEmpty {
                #expect(setting.origin != "default", "[\(setting.section)] \(setting.key)")
            }
        }
    }
}
