import DaemonConfig
import Glibc
import Testing

/// sys/fsuid.h, which Swift's Glibc lacks.
@_silgen_name("setfsuid") private func setfsuid(_ user: uid_t) -> CInt

/// A directory that only root can write to, on a way of such directories; gone after the test.
private final class RootOnlyTree {
    let root: String
    private var made: [String] = []

    init() throws {
        // Not in /tmp, to which everybody may write.
        var template = Array("/run/netanomaly-script-XXXXXX".utf8CString)
        let made = mkdtemp(&template)
        root = String(cString: try #require(made, "only root can make scripts that only root can write"))
    }

    deinit {
        for path in made.reversed() { remove(path) }
        rmdir(root)
    }

    func path(_ name: String) -> String { "\(root)/\(name)" }

    func write(_ name: String, _ text: String = "BEGIN { exit(); }", mode: mode_t = 0o644, owner: uid_t = 0) throws {
        made.append(path(name))
        let file = try #require(fopen(path(name), "w"))
        fputs(text, file)
        fclose(file)
        chown(path(name), owner, 0)
        chmod(path(name), mode)
    }

    func directory(_ name: String, mode: mode_t = 0o755, owner: uid_t = 0) {
        made.append(path(name))
        mkdir(path(name), 0o755)
        chown(path(name), owner, 0)
        chmod(path(name), mode)
    }

    func link(_ name: String, to target: String) {
        made.append(path(name))
        symlink(target, path(name))
    }

    func fifo(_ name: String) {
        made.append(path(name))
        mkfifo(path(name), 0o600)
    }

    /// What the configuration says of a script, and what opening it says, without the tree's own path.
    func problems(_ name: String, enabled: String = "yes") throws -> [String] {
        let text = "[Script x]\nPath=\(path(name))\nEnabled=\(enabled)\n"
        try write("netanomaly.conf", text)
        var problems: [String] = []
        do {
            _ = try Configuration.load(path: path("netanomaly.conf"), rules: sampleRules)
        } catch {
            problems = error.problems.map(\.description)
        }
        do {
            close(try ScriptFile.open(path(name)))
        } catch {
            problems.append(error.description)
        }
        return problems.map { $0.split(separator: "\(root)/").joined() }
    }
}

@Suite(.enabled(if: geteuid() == 0, "only root can make a file that belongs to root")) struct ScriptFileTests {
    private let tree: RootOnlyTree

    init() throws { tree = try RootOnlyTree() }

    private func expect(_ name: String, _ problem: String) throws {
        #expect(try tree.problems(name) == ["netanomaly.conf:2:6: error: Path: \(problem)", problem])
    }

    @Test func aFileOfRootsAloneIsOpened() throws {
        try tree.write("x.bt", "BEGIN { exit(); }", mode: 0o600)
        #expect(try tree.problems("x.bt") == [])
        let descriptor = try ScriptFile.open(tree.path("x.bt"))
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 5)
        #expect(read(descriptor, &bytes, 5) == 5 && bytes == Array("BEGIN".utf8))
        #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
    }

    @Test func aFileThatOthersMayWriteIsRefusedWithTheCure() throws {
        try tree.write("x.bt", mode: 0o664)
        try expect("x.bt", "'x.bt' can be written by others than root (mode 0664); mend it with: chmod go-w 'x.bt'")
        try tree.write("y.bt", mode: 0o646, owner: 12)
        try expect(
            "y.bt",
            "'y.bt' belongs to user 12 instead of root and can be written by others than root (mode 0646); "
                + "mend it with: chown root 'y.bt'; chmod go-w 'y.bt'")
    }

    @Test func everyDirectoryOnTheWayIsJudged() throws {
        tree.directory("a", mode: 0o775)
        tree.directory("a/b")
        try tree.write("a/b/x.bt")
        try expect("a/b/x.bt", "'a' can be written by others than root (mode 0775); mend it with: chmod go-w 'a'")
        tree.directory("c", owner: 12)
        try tree.write("c/x.bt")
        try expect("c/x.bt", "'c' belongs to user 12 instead of root; mend it with: chown root 'c'")
        tree.directory("shared", mode: 0o1777)
        try tree.write("shared/x.bt")
        try expect(
            "shared/x.bt",
            "'shared' can be written by others than root (mode 1777); move the script to /etc/netanomaly.d")
    }

    @Test func linksAreFollowedAndJudgedByWhereTheyLead() throws {
        tree.directory("good")
        try tree.write("good/x.bt")
        tree.link("relative.bt", to: "./good/../good/x.bt")
        tree.link("absolute.bt", to: tree.path("good/x.bt"))
        tree.link("folder", to: "good")
        for name in ["relative.bt", "absolute.bt", "folder/x.bt"] { #expect(try tree.problems(name) == [], "\(name)") }

        tree.directory("bad", mode: 0o777)
        tree.link("bad/way", to: "../good")
        tree.link("through", to: "bad/way")
        let problem = "'bad' can be written by others than root (mode 0777); mend it with: chmod go-w 'bad'"
        try expect("through/x.bt", problem)
        tree.link("around.bt", to: "bad/../good/x.bt")
        try expect("around.bt", problem)
    }

    @Test func aLoopOfLinksEnds() throws {
        tree.link("a", to: "b")
        tree.link("b", to: "a")
        try expect("a/x.bt", "cannot look at 'a': Too many levels of symbolic links")
    }

    @Test func whatIsNoFileIsRefused() throws {
        try expect("none.bt", "cannot look at 'none.bt': No such file or directory")
        tree.directory("folder")
        try expect("folder", "'folder' is a directory, expected a file")
        tree.fifo("pipe")
        try expect("pipe", "'pipe' is not a regular file")
        try tree.write("x.bt")
        try expect("x.bt/y.bt", "cannot look at 'x.bt': Not a directory")
    }

    @Test func theSizeIsBounded() throws {
        try tree.write("full.bt", String(repeating: "#", count: 64 << 10))
        #expect(try tree.problems("full.bt") == [])
        try tree.write("big.bt", String(repeating: "#", count: (64 << 10) + 1))
        try expect("big.bt", "'big.bt' is larger than 64 KiB")
    }

    @Test func aScriptThatIsNotRunIsNotLookedAt() throws {
        #expect(try tree.problems("none.bt", enabled: "no").count == 1)
    }

    @Test func aPathIsShownWithoutControlCharacters() throws {
        try tree.write("\u{1b}[31m.bt", mode: 0o666)
        let problem = try #require(try tree.problems("\u{1b}[31m.bt").last)
        #expect(problem.hasPrefix("'\\x1b[31m.bt' can be written"))
    }

    @Test func anOrdinaryUserCanCheckAScriptThatOnlyRootCanRead() throws {
        try tree.write("x.bt", mode: 0o600)
        chmod(tree.root, 0o755)
        try tree.write("netanomaly.conf", "[Script x]\nPath=\(tree.path("x.bt"))\n")
        // Of this thread alone, so that other tests go on as root.
        _ = setfsuid(65534)
        defer { _ = setfsuid(0) }
        #expect(throws: Never.self) { try Configuration.load(path: tree.path("netanomaly.conf"), rules: sampleRules) }
        let refused = #expect(throws: ScriptFileProblem.self) { try ScriptFile.open(tree.path("x.bt")) }
        #expect(refused?.description == "cannot look at '\(tree.path("x.bt"))': Permission denied")
    }
}
