/// What one process leaves to the next: lines of words, each line beginning with what it is about.
///
/// Every stage adds its lines and reads them again. Text comes from another process, perhaps of another version, so
/// nothing in it is believed: a line that is not as it should be makes the whole of it unusable.
public struct StateText: Sendable, Equatable {
    /// A text that cannot be used.
    public struct Problem: Error, Equatable, CustomStringConvertible {
        /// The sentence.
        public let description: String

        /// Says why; what it quotes is made safe to be shown.
        public init(_ description: String) {
            var safe = String.UnicodeScalarView()
            for scalar in description.unicodeScalars.prefix(Self.maxCharacters) {
                safe.append(scalar.properties.generalCategory == .control ? "?" : scalar)
            }
            self.description = String(safe)
        }

        /// Enough for the words around one that is quoted.
        static let maxCharacters = 200
    }

    /// The words of one line behind its first.
    public struct Line: Sendable, Equatable {
        let kind: String
        let words: [Substring]

        /// The word of that number, from 0.
        public func word(_ index: Int) throws(Problem) -> String {
            guard index < words.count else { throw Problem("'\(kind)' has no word \(index + 1)") }
            return String(words[index])
        }

        /// The number at that place.
        public func number(_ index: Int) throws(Problem) -> UInt64 {
            let word = try word(index)
            guard let number = UInt64(word) else { throw Problem("'\(word)' in '\(kind)' is no number") }
            return number
        }

        /// The number at that place, which is added to others.
        public func amount(_ index: Int) throws(Problem) -> UInt64 {
            let amount = try number(index)
            if amount > StateText.maxCount { throw Problem("'\(amount)' in '\(kind)' is too large") }
            return amount
        }

        /// How many words there are.
        public var count: Int { words.count }

        /// An account, from that place on.
        public func account(_ index: Int) throws(Problem) -> RuleAccount {
            var account = RuleAccount()
            for (place, part) in StateText.parts.enumerated() {
                account[keyPath: part] = try amount(index + place)
            }
            return account
        }
    }

    /// What is counted never is more: a million a second for nine years.
    ///
    /// So no sum of all that a text has room for overflows.
    public static let maxCount: UInt64 = 1 << 48

    /// The order of an account's numbers.
    private static var parts: [WritableKeyPath<RuleAccount, UInt64>] {
        [
            \.seen, \.written, \.deduplicated, \.limited, \.overflow, \.lostRing, \.lostJournal, \.trusted,
        ]
    }

    private var lines: [String: [Line]] = [:]
    /// As it is kept.
    public private(set) var text = ""

    /// Begins a text.
    public init() {}

    /// Reads one, which may be empty, but not cut.
    public init(parsing text: String) throws(Problem) {
        if let last = text.utf8.last, last != UInt8(ascii: "\n") {
            throw Problem("its last line '\(text.split(separator: "\n").last ?? "")' is cut")
        }
        self.text = text
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard let kind = words.first.map(String.init) else { continue }
            lines[kind, default: []].append(Line(kind: kind, words: Array(words.dropFirst())))
        }
    }

    /// Lines of that kind, in order; only of a text that was read.
    public subscript(kind: String) -> [Line] { lines[kind] ?? [] }

    /// The one amount of the only line of that kind.
    public func amount(_ kind: String) throws(Problem) -> UInt64 {
        guard let line = self[kind].first else { throw Problem("'\(kind)' is missing") }
        return try line.amount(0)
    }

    /// Adds a line of words without spaces, then numbers.
    public mutating func add(_ words: String..., numbers: UInt64...) {
        add(words, numbers)
    }

    /// Adds a line with an account; none for one that is empty.
    public mutating func add(_ words: String..., account: RuleAccount) {
        if account == RuleAccount() { return }
        add(words, Self.parts.map { account[keyPath: $0] })
    }

    private mutating func add(_ words: [String], _ numbers: [UInt64]) {
        for (index, word) in words.enumerated() {
            if index > 0 { text += " " }
            text += word
        }
        for number in numbers {
            text += " "
            text += String(number)
        }
        text += "\n"
    }
}
