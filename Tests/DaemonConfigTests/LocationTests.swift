import DaemonConfig
import Glibc
import Testing

/// A directory of its own for each test, laid out like the places that are searched.
private final class TemporaryTree {
    let root: String
    private var made: [String] = []

    init() throws {
        var template = Array("/tmp/netanomaly-config-XXXXXX".utf8CString)
        let made = mkdtemp(&template)
        root = String(cString: try #require(made))
        for name in ["lib", "run", "etc"] { directory(name) }
    }

    deinit {
        for path in made.reversed() { remove(path) }
        rmdir(root)
    }

    var location: ConfigurationLocation {
        ConfigurationLocation(
            mainFile: "\(root)/main.conf", isMainFileRequired: false,
            dropInDirectories: ["lib", "run", "etc"].map { "\(root)/\($0)" })
    }

    func directory(_ name: String) { mkdir(path(name), 0o700) }

    func link(_ name: String, to target: String) { symlink(target, path(name)) }

    func fifo(_ name: String) { mkfifo(path(name), 0o600) }

    func write(_ name: String, _ text: String) throws {
        let file = try #require(fopen(path(name), "w"))
        fputs(text, file)
        fclose(file)
    }

    private func path(_ name: String) -> String {
        made.append("\(root)/\(name)")
        return "\(root)/\(name)"
    }

    /// What `[Limits]` holds: `MaxKeys` and `RateLimitBurst`.
    func limits() throws -> [UInt32] {
        let limits = try Configuration.load(from: location, rules: sampleRules).limits
        return [limits.maxKeys, limits.rateLimitBurst]
    }

    /// The problems, without the tree's own path.
    func problems(at location: ConfigurationLocation? = nil) -> [String] {
        do {
            _ = try Configuration.load(from: location ?? self.location, rules: sampleRules)
            return []
        } catch {
            return error.problems.map { String($0.description.dropFirst(root.utf8.count + 1)) }
        }
    }
}

@Suite struct LocationTests {
    private let tree: TemporaryTree

    init() throws { tree = try TemporaryTree() }

    @Test func theStandardPlacesAreSystemds() {
        let standard = ConfigurationLocation.standard
        #expect(standard.mainFile == "/etc/netanomaly.conf" && !standard.isMainFileRequired)
        #expect(
            standard.dropInDirectories == [
                "/usr/lib/netanomaly.conf.d", "/run/netanomaly.conf.d", "/etc/netanomaly.conf.d",
            ])
    }

    @Test func nothingAtAllGivesTheDefaults() throws {
        let nowhere = ConfigurationLocation(
            mainFile: "\(tree.root)/no", isMainFileRequired: false, dropInDirectories: ["\(tree.root)/no.d"])
        #expect(try Configuration.load(from: nowhere, rules: sampleRules) == configuration())
    }

    @Test func dropInsFollowTheMainFileByNameWhateverTheirDirectory() throws {
        try tree.write("main.conf", "[Limits]\nMaxKeys=100\nRateLimitBurst=100")
        #expect(try tree.limits() == [100, 100])
        try tree.write("etc/10.conf", "[Limits]\nMaxKeys=110")
        try tree.write("lib/20.conf", "[Limits]\nMaxKeys=120")
        #expect(try tree.limits() == [120, 100])
        try tree.write("run/30.conf", "[Limits]\nMaxKeys=130")
        #expect(try tree.limits() == [130, 100])
    }

    @Test func aNameInEtcHidesOneInRunHidesOneInLib() throws {
        try tree.write("lib/50.conf", "[Limits]\nMaxKeys=100\nRateLimitBurst=1")
        try tree.write("run/50.conf", "[Limits]\nMaxKeys=101")
        #expect(try tree.limits() == [101, 200])
        try tree.write("etc/50.conf", "[Limits]\nMaxKeys=102")
        #expect(try tree.limits() == [102, 200])
    }

    @Test func aLinkToDevNullHidesAName() throws {
        try tree.write("lib/50.conf", "[Limits]\nMaxKeys=100")
        tree.link("etc/50.conf", to: "/dev/null")
        #expect(try tree.limits() == [8192, 200])
    }

    @Test func onlyVisibleFilesInConfAreDropIns() throws {
        for name in ["a.conf~", ".b.conf", "c", "d.conf.dpkg-new"] {
            try tree.write("etc/\(name)", "[Limits]\nMaxKeys=99")
        }
        #expect(try tree.limits() == [8192, 200])
    }

    @Test func aFileNamedByHandHasItsOwnDropInsOnly() throws {
        // Characters that patterns are made of stand for themselves.
        let name = "a*[b]?\\.conf"
        try tree.write(name, "[Limits]\nMaxKeys=100")
        tree.directory("\(name).d")
        try tree.write("\(name).d/x.conf", "[Limits]\nRateLimitBurst=5")
        let configuration = try Configuration.load(path: "\(tree.root)/\(name)", rules: sampleRules)
        #expect(configuration.limits.maxKeys == 100 && configuration.limits.rateLimitBurst == 5)
        let origins = configuration.settings.filter { $0.origin != "default" }.map(\.origin)
        #expect(
            origins == [
                "\(tree.root)/a*[b]?\\\\.conf.d/x.conf:2", "\(tree.root)/a*[b]?\\\\.conf:2",
            ])
    }

    @Test func aFileNamedByHandMustExist() {
        #expect(
            tree.problems(at: ConfigurationLocation(file: "\(tree.root)/no.conf")) == [
                "no.conf:1:1: error: cannot read: No such file or directory"
            ])
    }

    @Test func whatCannotBeReadIsReportedWithTheRest() throws {
        tree.directory("main.conf")
        tree.link("etc/loop.conf", to: "loop.conf")
        tree.link("etc/none.conf", to: "nowhere")
        try tree.write("run/bad.conf", "x")
        try tree.write("run/big.conf", String(repeating: "#", count: 1 << 20) + "\n")
        try tree.write("run/full.conf", String(repeating: "#", count: 1 << 20))
        #expect(
            Set(tree.problems()) == [
                "main.conf:1:1: error: cannot read: Is a directory",
                "etc/loop.conf:1:1: error: cannot read: Too many levels of symbolic links",
                "etc/none.conf:1:1: error: cannot read: No such file or directory",
                "run/bad.conf:1:1: error: expected 'Key=value' or '[Section]', found 'x'",
                "run/big.conf:1:1: error: cannot read: larger than 1 MiB",
            ])
    }

    @Test func aDirectoryThatCannotBeReadIsAnError() {
        tree.link("main.conf.d", to: "main.conf.d")
        let location = ConfigurationLocation(
            mainFile: "\(tree.root)/main.conf", isMainFileRequired: false,
            dropInDirectories: ["\(tree.root)/main.conf.d"])
        #expect(
            tree.problems(at: location) == [
                "main.conf.d:1:1: error: cannot read: Too many levels of symbolic links"
            ])
    }

    @Test func aFIFODoesNotBlock() throws {
        tree.fifo("etc/pipe.conf")
        #expect(try tree.limits() == [8192, 200])
    }

    @Test func theNumberOfDropInsIsBounded() throws {
        for number in 0..<256 { try tree.write("etc/\(number).conf", "") }
        #expect(try tree.limits() == [8192, 200])
        try tree.write("etc/256.conf", "")
        #expect(tree.problems() == ["etc:1:1: error: more than 256 drop-in files"])
    }
}
