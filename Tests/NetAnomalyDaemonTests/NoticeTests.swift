import AnomalyModel
import DaemonConfig
import Detectors
import EventPipeline
import Testing

@testable import NetAnomalyDaemon
@testable import SystemdProtocols
@testable import TracingBackends

@Suite struct NoticeTests {
    private static let rule = RuleName("arp-malformed")

    private static var account: RuleAccount {
        var account = RuleAccount()
        (account.seen, account.written, account.deduplicated, account.limited) = (1000, 12, 900, 50)
        (account.overflow, account.lostRing, account.lostJournal) = (20, 10, 5)
        return account
    }

    private static func errors(_ text: String) throws -> ConfigurationErrors {
        do {
            _ = try configuration(text)
        } catch {
            return try #require(error as? ConfigurationErrors)
        }
        throw CannotPrepare()
    }

    private static var samples: [DaemonNotice] {
        get throws {
            [
                Notices.started(watched: "9 of 10 probes", rules: 16, waiting: nil),
                Notices.stopped(reason: "SIGTERM", goesOn: false),
                Notices.reloaded(changes: []), Notices.reloadFailed(try errors("x\n")),
                Notices.probeDegraded(detector: arp.name, reason: "no hook", loss: "received ARP", rules: []),
                Notices.accounting(Books(accounts: [(rule, RuleAccount())]), period: "Since the start"),
                Notices.journalLoss(
                    LossReport(byCause: [.queueFull: 1], firstBoottimeNanoseconds: 1, lastBoottimeNanoseconds: 2)),
                Notices.balanceError(rule, account),
                Notices.stateDiscarded(of: "arp", because: "its tables are of another layout", 3),
            ] + samplesAboutBackends + (try samplesAboutTheJournal) + samplesAboutMetrics
        }
    }

    private static var samplesAboutMetrics: [DaemonNotice] {
        [
            Notices.metricsFailed(.init(step: "create", path: "/a/.b.new", code: 30), path: "/a/b"),
            Notices.metricsWritten("/a/b", failures: 2),
        ]
    }

    private static var samplesAboutBackends: [DaemonNotice] {
        let killed = BpftraceFailure.killed(signal: 9)
        let gap = BpftraceGap(from: 1, to: 2, reason: killed, lostUnknown: true)
        return [
            Notices.fellBack(because: "no types"),
            Notices.backendFailed("arp", arp.name, killed, retryIn: second),
            Notices.backendRestarted("arp", arp.name, gap),
            Notices.backendDegraded("arp", arp.name, killed, retryAt: nil),
            Notices.backendMessage("script tcp", ScriptRules.detector, "WARNING: x"),
            Notices.backendLoss("script tcp", ScriptRules.detector, lines: 3),
            Notices.scriptUnreadable("script tcp", ScriptRules.detector, "no rule"),
        ]
    }

    private static var samplesAboutTheJournal: [DaemonNotice] {
        get throws {
            let limits = JournalLimits(
                unit: nil, intervalNanoseconds: 0, burst: 0, isStorageOff: true, maxLevel: .debug)
            let deafness = JournalWatch.Deafness(
                firstSequence: 3, sinceNanoseconds: 1, isDiskFull: true, isInMemory: false)
            return Notices.journalLimits(limits, try configuration(), allRules) + [
                Notices.journalDeaf(deafness), Notices.journalGap(3...9, since: 1, until: 2),
            ]
        }
    }

    @Test func `a start and a stop say what goes on from one process to the next`() {
        let start = Notices.started(watched: "9 of 10 probes", rules: 16, waiting: 4096)
        #expect(start.message.hasSuffix(", without a gap since the process before (4096 bytes of events waited)"))
        #expect(
            Notices.stopped(reason: "SIGTERM", goesOn: true).message
                == "Stopped: SIGTERM; what happens now waits in the kernel for the next start")
        #expect(Notices.stopped(reason: "SIGTERM", goesOn: false).message == "Stopped: SIGTERM")
    }

    @Test func `what is not gone on with is told with its reason, and with its loss where that is known`() {
        let arp = Notices.stateDiscarded(of: "arp", because: "its table 'keys' is missing", 3)
        #expect(
            arp.message == "What the process before left of arp is not gone on with: its table 'keys' is missing"
                + "; 3 events of its rules were lost with it")
        #expect(arp.fields == [Field(.problem, "its table 'keys' is missing"), Field(.lostRing, "3")])
        let all = Notices.stateDiscarded(of: "all", because: "'queue' is missing", nil)
        #expect(all.message == "The state of the process before is not gone on with: 'queue' is missing")
        #expect(all.fields == [Field(.problem, "'queue' is missing")])
    }

    @Test func `every notice says something in every field`() throws {
        let samples = try Self.samples
        #expect(samples.map(\.rule) == Notices.all.map(\.0))
        #expect(samples.map(\.messageID) == Notices.all.map(\.1))
        for notice in samples {
            #expect(!notice.message.isEmpty && !notice.message.contains("\n"))
            #expect(notice.fields.allSatisfy { !$0.value.isEmpty }, "\(notice.rule)")
        }
    }

    @Test func `message IDs are unique and of the right form`() {
        let all = Notices.all.map(\.1.text) + allRules.map(\.messageID.text)
        #expect(Set(all).count == all.count)
        #expect(all.allSatisfy { $0.count == 32 && $0.allSatisfy { $0.isHexDigit && !$0.isUppercase } })
        #expect(Notices.all.allSatisfy { $0.0.text.hasPrefix("daemon-") })
    }

    @Test func `the balance names every part that is not 0`() {
        #expect(
            Notices.sentence(Self.account)
                == "1000 seen = 12 written + 900 deduplicated + 50 rate-limited + 20 without a key "
                + "+ 10 lost in the ring + 5 not taken by the journal + 3 on their way")
        var few = RuleAccount()
        (few.seen, few.written) = (3, 3)
        #expect(Notices.sentence(few) == "3 seen = 3 written")
        #expect(Notices.sentence(RuleAccount()) == "0 seen")
    }

    @Test func `accounting sums up all rules and lists those that saw something`() {
        let books = Books(accounts: [
            (RuleName("a"), Self.account), (RuleName("b"), RuleAccount()), (Self.rule, Self.account),
        ])
        #expect(books.total == Self.account + Self.account)
        #expect(Books(accounts: []).total == RuleAccount())
        let notice = Notices.accounting(books, period: "From start to stop")
        #expect(notice.message.hasPrefix("From start to stop: 2000 seen = 24 written + "))
        let record = Record(rule: notice.rule, events: 0, priority: notice.priority, fields: notice.fields)
        #expect((record[.seen], record[.written], record[.pending]) == ("2000", "24", "6"))
        #expect(record[.balance]?.split(separator: "\n").map { $0.prefix(14) } == ["a: 1000 seen =", "arp-malformed:"])
    }

    @Test func `a refused reload names its first problem and how many more`() throws {
        let one = Notices.reloadFailed(try Self.errors("[Limits]\nMaxKeys=many\n"))
        #expect(one.message.hasPrefix("Reload refused, the old configuration stays in force: test.conf:2:9: error: "))
        #expect(!one.message.contains("more)"))
        let three = Notices.reloadFailed(try Self.errors("x\ny\nz\n"))
        #expect(three.message.contains("test.conf:1:1: error: ") && three.message.hasSuffix(" (and 2 more)"))
        #expect(three.fields.first?.value.split(separator: "\n").count == 3)
        let flood = Notices.reloadFailed(try Self.errors(String(repeating: "x\n", count: 250)))
        #expect(flood.message.hasSuffix(" (and 249 more)"))
        #expect(flood.fields.first?.value.hasSuffix("\nand 150 more") == true)
    }

    @Test func `lines that nothing has judged are in no account, but in the accounting`() {
        let books = Books(accounts: [(Self.rule, Self.account)], lostUnjudged: 7)
        let notice = Notices.accounting(books, period: "Since the start")
        #expect(notice.message.hasSuffix("; 7 lines of bpftrace lost before they were judged"))
        let record = Record(rule: notice.rule, events: 0, priority: notice.priority, fields: notice.fields)
        #expect((record[.lostBackend], record[.seen]) == ("7", "1000"))
        let none = Notices.accounting(Books(accounts: []), period: "Since the start")
        #expect(
            none.message == "Since the start: 0 seen"
                && !none.fields.contains { $0.name == FieldName.lostBackend.rawValue })
    }

    @Test func `a failed child says what, why and when it is tried again`() {
        let failure = BpftraceFailure.killed(signal: 9)
        let soon = Notices.backendFailed("arp", arp.name, failure, retryIn: 1_250_000_000)
        #expect(
            soon.message == "Not watched for the moment: arp. bpftrace was killed by signal 9 (Killed). "
                + "It is started again in 1.2 s")
        #expect(soon.priority == .warning)
        let reload = Notices.backendDegraded("script tcp", ScriptRules.detector, .typesUnavailable, retryAt: nil)
        #expect(reload.message.hasPrefix("Not watched: script tcp. bpftrace finds no types of this kernel: "))
        #expect(reload.message.hasSuffix(". It is tried again at the next reload") && reload.priority == .error)
        let later = Notices.backendDegraded("arp", arp.name, failure, retryAt: 600 * second)
        #expect(later.message.hasSuffix(". It failed too often; it is tried every 10 minutes, and at a reload"))
    }

    @Test func `a gap is told with its times, and whether anything is known of it`() {
        func restarted(_ gap: BpftraceGap) -> DaemonNotice { Notices.backendRestarted("arp", arp.name, gap) }
        let failure = BpftraceFailure.silent(forNanoseconds: 20 * second)
        let gap = restarted(BpftraceGap(from: second, to: 3 * second, reason: failure, lostUnknown: true))
        #expect(
            gap.message == "arp was not watched for 2000 ms: bpftrace said nothing for 20 s, its heartbeat included, "
                + "and was killed; what happened meanwhile was not seen, nor counted")
        let record = Record(rule: gap.rule, events: 0, priority: gap.priority, fields: gap.fields)
        #expect((record[.firstBoottime], record[.lastBoottime]) == ("1000000000", "3000000000"))
        let known = restarted(BpftraceGap(from: second, to: second, reason: failure, lostUnknown: false))
        #expect(known.message.hasSuffix("and was killed"))
        let backwards = restarted(BpftraceGap(from: 3, to: 2, reason: failure, lostUnknown: false))
        #expect(backwards.message.hasPrefix("arp was not watched for 0 ms: "))
    }

    @Test func `losses, messages and unreadable lines name whose they are`() {
        let loss = Notices.backendLoss("script tcp", ScriptRules.detector, lines: 12)
        #expect(loss.message.hasPrefix("12 lines of bpftrace (script tcp) were lost before anything could judge them"))
        let message = Notices.backendMessage("arp", arp.name, "WARNING: x")
        #expect(message.message == "bpftrace (arp): WARNING: x" && message.priority == .notice)
        let unreadable = Notices.scriptUnreadable("script tcp", ScriptRules.detector, "no key")
        #expect(unreadable.message.hasPrefix("script tcp prints lines that are no reports"))
        #expect(unreadable.message.hasSuffix(": no key"))
        let fallback = Notices.fellBack(because: "no types")
        #expect(fallback.message.hasSuffix(", because libbpf cannot: no types") && fallback.priority == .warning)
    }

    @Test func `a probe that is missing says what is blind without it`() {
        let notice = Notices.probeDegraded(
            detector: arp.name, reason: "no hook", loss: "received ARP", rules: [Self.rule, RuleName("b")])
        #expect(notice.message == "Not watched: received ARP (arp-malformed, b), because no hook")
    }

    @Test func `a reload names its changes`() {
        #expect(Notices.reloaded(changes: []).message == "Configuration reloaded: nothing changed")
        #expect(Notices.reloaded(changes: ["a", "b"]).message == "Configuration reloaded: a; b")
    }
}

@Suite struct RuleListTests {
    @Test func `each rule has its line, in columns`() {
        let lines = RuleList.text.split(separator: "\n")
        #expect(lines.count == allRules.count)
        #expect(lines.contains { $0.hasPrefix("arp-malformed                     warning ARP frame too short") })
        #expect(lines.contains { $0.hasPrefix("gso-tiny-size ") && $0.hasSuffix("(MinSegmentBytes=48)") })
        for (line, rule) in zip(lines, allRules) { #expect(line.hasPrefix(rule.name.text + " ")) }
    }

    @Test func `scripts get the same as JSON`() {
        let json = RuleList.json.text
        #expect(
            json.hasPrefix("[{\"name\":\"arp-table-overflow\",\"detector\":\"arp\",\"message_id\":\"")
                && json.hasSuffix("}]"))
        #expect(
            json.contains(
                "\"threshold\":{\"key\":\"MinSegmentBytes\",\"default\":48,\"minimum\":8,\"maximum\":1500,\"meaning\":\""
            ))
        for rule in allRules {
            #expect(json.contains("\"name\":\"\(rule.name)\"") && json.contains(rule.messageID.text))
        }
    }
}
