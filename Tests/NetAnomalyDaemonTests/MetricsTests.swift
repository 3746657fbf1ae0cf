import AnomalyModel
import DaemonConfig
import Detectors
import EventPipeline
import Glibc
import SystemdProtocols
import Testing

@testable import NetAnomalyDaemon

@Suite struct MetricsTests {
    private let folder: TemporaryFolder
    private let path: EventPath

    init() throws {
        folder = try TemporaryFolder()
        path = EventPath(
            try configuration(), transport: try JournalSocket(path: folder.socket), namer: nil,
            memory: try StateMemory(), isKept: false)
    }

    private func report(
        _ text: String = "", accounts: [RuleName: RuleAccount] = [:], problem: String? = nil,
        journalProblem: String? = nil, isRunning: Bool = true
    ) throws -> MetricsReport {
        let status = StatusReport(
            configuration: try configuration(text), sources: allDetectors.map { DetectorRunner($0) { _ in } },
            backend: "libbpf",
            books: Books(accounts: allRules.map { ($0.name, accounts[$0.name] ?? RuleAccount()) }),
            path: path, outputKind: .journal, startedNanoseconds: 7, reloadProblem: problem,
            journalProblem: journalProblem)
        var reloads = ReloadCounts(startedSeconds: 1000)
        reloads.note(isApplied: true, seconds: 1005)
        reloads.note(isApplied: false, seconds: 1009)
        return MetricsReport(status: status, reloads: reloads, startedSeconds: 1000, isRunning: isRunning)
    }

    private func contents(of file: String) throws -> String {
        let stream = try #require(fopen(file, "r"))
        defer { fclose(stream) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, stream)], as: UTF8.self)
    }

    // MARK: Text

    @Test func `a family is its help, its type and its samples`() {
        let family = MetricFamily(
            "things_total", .counter, "Things.", [([("rule", "a"), ("fate", "b")], 3), ([], .max)])
        #expect(
            [family].text == """
                # HELP netanomalyd_things_total Things.
                # TYPE netanomalyd_things_total counter
                netanomalyd_things_total{rule="a",fate="b"} 3
                netanomalyd_things_total 18446744073709551615

                """)
        #expect([MetricFamily("things", .gauge, "None.", [])].text.isEmpty)
    }

    @Test func `what means something in the format is escaped`() {
        let family = MetricFamily("x", .gauge, "a\\b\n\"c\"", [([("l", "a\\b\n\"c\" é")], 1)])
        #expect(
            [family].text == #"""
                # HELP netanomalyd_x a\\b\n"c"
                # TYPE netanomalyd_x gauge
                netanomalyd_x{l="a\\b\n\"c\" é"} 1

                """#)
    }

    @Test func `no series comes twice and counters end in total`() throws {
        let families = try report().families
        #expect(Set(families.map(\.name)).count == families.count)
        for family in families {
            #expect(family.name.hasSuffix("_total") == (family.kind == .counter), "\(family.name)")
            #expect(family.help.hasSuffix("."))
        }
        let samples = families.text.split(separator: "\n").filter { !$0.hasPrefix("#") }
        let series = samples.map { $0.prefix { $0 != " " } }
        #expect(Set(series).count == series.count && series.count > 8 * allRules.count)
    }

    @Test func `every rule has every fate and together they are what was seen`() throws {
        var account = RuleAccount()
        (account.seen, account.written, account.deduplicated, account.limited) = (21, 1, 2, 3)
        (account.overflow, account.lostRing, account.lostJournal, account.trusted) = (4, 5, 6, 7)
        let text = try report(accounts: [RuleName("gso-tiny-size"): account]).families.text
        let labels = "{detector=\"tun-gso\",rule=\"gso-tiny-size\""
        #expect(text.contains("netanomalyd_events_total\(labels)} 21\n"))
        #expect(text.contains("netanomalyd_events_trusted_total\(labels)} 7\n"))
        let fates = ["written", "deduplicated", "limited", "overflow", "lost_ring", "lost_journal"]
        for (count, fate) in fates.enumerated() {
            #expect(text.contains("netanomalyd_events_settled_total\(labels),fate=\"\(fate)\"} \(count + 1)\n"))
        }
        for rule in allRules {
            #expect(text.contains("{detector=\"\(rule.detector)\",rule=\"\(rule.name)\"} "), "\(rule.name)")
        }
    }

    @Test func `what is not watched shows`() throws {
        let text = try report("[TunGSO]\nEnabled=no\n").families.text
        #expect(text.contains("netanomalyd_detector_running{detector=\"arp\",backend=\"libbpf\"} 0\n"))
        let probes = try #require(allDetectors.first { $0.name == DetectorName("arp") }).probes.count
        #expect(text.contains("netanomalyd_probes_wanted{detector=\"arp\"} \(probes)\n"))
        #expect(text.contains("netanomalyd_probes_attached{detector=\"arp\"} 0\n"))
        #expect(!text.contains("detector_running{detector=\"tun-gso\""), "it is not wanted")
    }

    @Test func `reloads and the end show`() throws {
        let text = try report(problem: "no").families.text
        #expect(text.contains("netanomalyd_config_last_reload_successful 0\n"))
        #expect(text.contains("netanomalyd_config_last_reload_success_timestamp_seconds 1005\n"))
        #expect(text.contains("netanomalyd_config_reloads_total{result=\"applied\"} 1\n"))
        #expect(text.contains("netanomalyd_config_reloads_total{result=\"refused\"} 1\n"))
        #expect(text.contains("netanomalyd_start_time_seconds 1000\n") && text.contains("netanomalyd_running 1\n"))
        #expect(try report(isRunning: false).families.text.contains("netanomalyd_running 0\n"))
        #expect(try report().families.text.contains("netanomalyd_config_last_reload_successful 1\n"))
    }

    @Test func `a journal that keeps nothing shows`() throws {
        #expect(try report().families.text.contains("netanomalyd_output_kept 1\n"))
        #expect(try report(journalProblem: "it drops").families.text.contains("netanomalyd_output_kept 0\n"))
    }

    // MARK: File

    @Test func `a file is replaced as a whole and everybody may read it`() throws {
        let mask = umask(0o077)
        defer { umask(mask) }
        try WholeFile.replace(folder.file, with: "old")
        let old = open(folder.file, O_RDONLY)
        defer { close(old) }
        try WholeFile.replace(folder.file, with: "new")
        #expect(try contents(of: folder.file) == "new")
        #expect(try contents(of: "/proc/self/fd/\(old)") == "old", "a reader keeps what it has opened")
        var status = stat()
        #expect(stat(folder.file, &status) == 0 && status.st_mode & 0o777 == 0o644)
        #expect(access(WholeFile.draftPath(of: folder.file), F_OK) != 0)
    }

    @Test func `what lies where the draft goes is removed and no link is followed`() throws {
        let draft = WholeFile.draftPath(of: folder.file)
        #expect(draft == folder.path + "/.file.new")
        symlink(folder.socket, draft)
        try WholeFile.replace(folder.file, with: "text")
        #expect(try contents(of: folder.file) == "text")
        #expect(access(folder.socket, F_OK) != 0, "nothing was made behind the link")
    }

    @Test func `a failure leaves no draft and says where it was`() throws {
        mkdir(folder.file, 0o700)
        defer { rmdir(folder.file) }
        #expect(throws: WholeFile.Failure(step: "replace", path: folder.file, code: EISDIR)) {
            try WholeFile.replace(folder.file, with: "text")
        }
        #expect(access(WholeFile.draftPath(of: folder.file), F_OK) != 0)
        let missing = folder.path + "/missing/x.prom"
        #expect(throws: WholeFile.Failure(step: "create", path: WholeFile.draftPath(of: missing), code: ENOENT)) {
            try WholeFile.replace(missing, with: "text")
        }
    }

    // MARK: Times, and what is told

    @Test func `it is due at once and then after each interval, and another path is due at once`() throws {
        let settings = try configuration("[Metrics]\nTextFile=\(folder.path)/x.prom\nIntervalSec=7s\n").metrics
        let path = try #require(settings.textFile)
        defer { unlink(path) }
        var file = MetricsFile(startedSeconds: 1)
        #expect(file.nextDeadline(try configuration().metrics) == nil)
        #expect(file.nextDeadline(settings) == 0)
        let notice = file.write("text", to: path, now: 5)
        #expect(notice == nil)
        #expect(file.nextDeadline(settings) == 5 + 7 * second)
        let other = try configuration("[Metrics]\nTextFile=\(folder.path)/y.prom\n").metrics
        #expect(file.nextDeadline(other) == 0)
    }

    @Test func `trouble is told once for each reason and so is its end`() throws {
        var file = MetricsFile(startedSeconds: 1)
        let missing = folder.path + "/missing"
        let first = file.write("text", to: missing + "/x.prom", now: 1)
        #expect(first?.rule == Notices.metricsFailed.0)
        #expect(first?.message.contains("Make the folder \(missing),") == true)
        let same = file.write("text", to: missing + "/x.prom", now: 2)
        #expect(same == nil)
        try folder.write("")
        let other = file.write("text", to: folder.file + "/x.prom", now: 3)
        #expect(other?.message.contains("Not a directory") == true)
        let end = file.write("text", to: folder.file, now: 4)
        #expect(end?.rule == Notices.metricsWritten.0 && end?.message.hasSuffix(" failed: 3") == true)
        let further = file.write("text", to: folder.file, now: 5)
        #expect(further == nil)
    }
}
