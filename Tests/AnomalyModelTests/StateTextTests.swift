import Testing

@testable import AnomalyModel

@Suite struct StateTextTests {
    private let account: RuleAccount = {
        var account = RuleAccount()
        (account.seen, account.written, account.deduplicated, account.limited) = (36, 1, 2, 3)
        (account.overflow, account.lostRing, account.lostJournal, account.trusted) = (4, 5, 6, 7)
        return account
    }()

    private func line(_ text: String, _ kind: String = "line") throws -> StateText.Line {
        try #require(try StateText(parsing: text + "\n")[kind].first)
    }

    private func problem(_ act: () throws -> Void) -> String? {
        #expect(throws: StateText.Problem.self) { try act() }?.description
    }

    // MARK: What is written is read

    @Test func `words, numbers and accounts come back as they were written`() throws {
        var written = StateText()
        written.add("sequence", numbers: StateText.maxCount)
        written.add("layout", numbers: .max)
        written.add("rules", "arp", "arp-scan", "arp-trace")
        written.add("account", "arp-scan", account: account)
        written.add("queue", numbers: 1, 2)
        written.add("account", "gso-tiny-size", account: account + account)
        let read = try StateText(parsing: written.text)
        #expect(read.text == written.text)
        #expect(try read.amount("sequence") == StateText.maxCount)
        #expect(try read["layout"].first?.number(0) == .max)
        let rules = try #require(read["rules"].first)
        #expect(try (0..<rules.count).map { try rules.word($0) } == ["arp", "arp-scan", "arp-trace"])
        #expect(try read["account"].map { try $0.word(0) } == ["arp-scan", "gso-tiny-size"])
        #expect(try read["account"].map { try $0.account(1) } == [account, account + account])
        #expect(try read["queue"].first?.number(1) == 2)
        #expect(read["nothing"].isEmpty)
    }

    @Test func `each part of an account has a place of its own`() throws {
        var text = StateText()
        text.add("a", account: account)
        #expect(text.text == "a 36 1 2 3 4 5 6 7\n")
    }

    @Test func `an empty account is not written, and an empty text is empty`() throws {
        var text = StateText()
        text.add("account", "arp-scan", account: RuleAccount())
        #expect(text == StateText())
        #expect(try StateText(parsing: "") == StateText())
    }

    // MARK: Damage

    @Test func `a text that is cut names the line`() {
        #expect(problem { _ = try StateText(parsing: "sequence 7\nqueue 12 3") } == "its last line 'queue 12 3' is cut")
        #expect(problem { _ = try StateText(parsing: "s") } == "its last line 's' is cut")
    }

    @Test func `a line that is missing is named`() {
        #expect(problem { _ = try StateText(parsing: "queue 1 2\n").amount("sequence") } == "'sequence' is missing")
    }

    @Test(arguments: ["-1", "+", "1.5", "0x10", "18446744073709551616", "1e3", "\u{0}1", "ten", "1\t"])
    func `a word that is no number is named, with its line`(word: String) {
        let shown = word.replacing(/[\u{0}\t]/, with: "?")
        #expect(problem { _ = try line("line 1 \(word)").number(1) } == "'\(shown)' in 'line' is no number")
    }

    @Test func `a line that is too short is named`() {
        #expect(problem { _ = try line("line 1").number(1) } == "'line' has no word 2")
        #expect(problem { _ = try line("line").word(0) } == "'line' has no word 1")
        #expect(problem { _ = try line("line rule 1 2 3 4 5 6 7").account(1) } == "'line' has no word 9")
        #expect(problem { _ = try line("line 1 2 3 4 x 6 7 8").account(0) } == "'x' in 'line' is no number")
    }

    @Test func `a count that would overflow what it is added to is named`() {
        let most = StateText.maxCount
        #expect(throws: Never.self) { try line("line \(most)").amount(0) }
        #expect(problem { _ = try line("line \(most + 1)").amount(0) } == "'\(most + 1)' in 'line' is too large")
        #expect(
            problem { _ = try line("line 1 2 3 4 5 6 7 \(UInt64.max)").account(0) }
                == "'\(UInt64.max)' in 'line' is too large")
    }

    @Test func `a problem quotes no more than fits into a line, and nothing that a terminal would obey`() throws {
        let long = try #require(problem { _ = try line("line " + String(repeating: "x", count: 1 << 20)).number(0) })
        #expect(long.count == StateText.Problem.maxCharacters)
        #expect(problem { _ = try line("line \u{1b}[2J\u{7}\u{85}").number(0) } == "'?[2J??' in 'line' is no number")
    }

    @Test func `empty lines and repeated spaces say nothing`() throws {
        let text = try StateText(parsing: "\n\nline  1   2 \n \n")
        #expect(try text["line"].first?.number(1) == 2 && text["line"].first?.count == 2)
    }

    @Test func `a text as large as its memory is read`() throws {
        let lines = (0..<80_000).map { "line \($0)" }
        let text = try StateText(parsing: lines.joined(separator: "\n") + "\n")
        #expect(text["line"].count == 80_000)
        #expect(try text["line"].last?.number(0) == 79_999)
    }
}
