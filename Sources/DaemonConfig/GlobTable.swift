/// Patterns of interface names as na_trust.h matches them: each a lane of bits, one for each number of characters.
struct GlobTable {
    private static let lanes = 4
    private static let laneBits = 16

    /// Four lanes, with the members of `struct na_glob_word`.
    private struct Word {
        var step = [UInt64](repeating: 0, count: 256)
        var start: UInt64 = 0
        var stay: UInt64 = 0
        var accept: UInt64 = 0
        var watch: UInt64 = 0
        var rules = [UInt64](repeating: 0, count: lanes)

        var numbers: [UInt64] { step + [start, stay, accept, watch] + rules }

        /// Enters a pattern and returns the bit of the state that is its match.
        mutating func enter(_ glob: InterfaceGlob, lane: Int) -> UInt64 {
            func bit(_ count: Int) -> UInt64 { 1 << UInt64(lane * laneBits + count) }
            for (index, character) in glob.characters.enumerated() {
                for byte in character { step[Int(byte)] |= bit(index + 1) }
            }
            for gap in glob.gaps { stay |= bit(gap) }
            start |= bit(0)
            accept |= bit(glob.characters.count)
            return bit(glob.characters.count)
        }
    }

    private var words: [Word] = []
    private var count = 0
    private var ignored: [InterfaceGlob: Int] = [:]

    /// `struct na_glob_word`, number by number, as many as there may be.
    var numbers: [[UInt64]] {
        let empty = [Word](repeating: Word(), count: Trust.maximumInterfaceGlobs / Self.lanes - words.count)
        return (words + empty).map(\.numbers)
    }

    mutating func watch(_ glob: InterfaceGlob) {
        let place = enter(glob)
        words[place.word].watch |= place.match
    }

    /// Adds to the rules, each a bit, that do not judge interfaces of such a name.
    mutating func ignore(_ glob: InterfaceGlob, rules: UInt32) {
        let number = ignored[glob] ?? count
        if number == count { _ = enter(glob) }
        ignored[glob] = number
        words[number / Self.lanes].rules[number % Self.lanes] |= UInt64(rules)
    }

    /// The interpreter has seen to it that there is room.
    private mutating func enter(_ glob: InterfaceGlob) -> (word: Int, match: UInt64) {
        let (word, lane) = count.quotientAndRemainder(dividingBy: Self.lanes)
        if lane == 0 { words.append(Word()) }
        count += 1
        return (word, words[word].enter(glob, lane: lane))
    }
}
