/// Time spans in nanoseconds, written in the manner of systemd.time(7): `90`, `1min 30s`, `0.5s`.
enum TimeSpan {
    static let microsecond: UInt64 = 1000
    static let millisecond = 1000 * microsecond
    static let second = 1000 * millisecond
    static let minute = 60 * second
    static let hour = 60 * minute
    static let day = 24 * hour

    /// Largest first; the first word of each is the one that is printed.
    private static let units: [(words: [String], nanoseconds: UInt64)] = [
        (["d", "day", "days"], day),
        (["h", "hr", "hour", "hours"], hour),
        (["min", "m", "minute", "minutes"], minute),
        (["s", "sec", "second", "seconds"], second),
        (["ms", "msec"], millisecond),
        (["us", "usec"], microsecond),
    ]

    /// Reads a sum of numbers with units; a number without one is in seconds.
    ///
    /// - Returns: nanoseconds, at most `UInt64.max`; nil if it is no time span or finer than a nanosecond.
    /// - Throws: `Complaint` for a unit that does not exist.
    static func nanoseconds(_ text: String) throws(Complaint) -> UInt64? {
        var rest = Substring(text)
        var sum: UInt64 = 0
        repeat {
            let whole = take(from: &rest, while: isDigit)
            var fraction: Substring = ""
            if rest.first == "." {
                rest.removeFirst()
                fraction = take(from: &rest, while: isDigit)
                if fraction.isEmpty { return nil }
            }
            _ = take(from: &rest, while: isBlank)
            let word = take(from: &rest) { !isDigit($0) && !isBlank($0) && $0 != "." }
            _ = take(from: &rest, while: isBlank)
            guard !whole.isEmpty else { return nil }
            let unit = try unit(word, in: text)
            guard let part = product(whole: whole, fraction: fraction, unit: unit) else { return nil }
            sum = sum.addingReportingOverflow(part).overflow ? .max : sum + part
        } while !rest.isEmpty
        return sum
    }

    /// The shortest sum of whole units, such as `1min 30s`; reads back as the same number.
    static func text(_ nanoseconds: UInt64) -> String {
        if nanoseconds == 0 { return "0" }
        var rest = nanoseconds
        var parts: [String] = []
        for (words, unit) in units where rest >= unit {
            parts.append("\(rest / unit)\(words[0])")
            rest %= unit
        }
        if rest > 0 {
            let digits = String(rest)
            parts.append("0." + String(repeating: "0", count: 3 - digits.utf8.count) + digits + "us")
        }
        return parts.joined(separator: " ")
    }

    private static func unit(_ word: Substring, in text: String) throws(Complaint) -> UInt64 {
        if word.isEmpty { return second }
        if let unit = units.first(where: { $0.words.contains(String(word)) }) { return unit.nanoseconds }
        let hint = suggestion(for: String(word), among: units.flatMap(\.words))
        throw Complaint("unknown unit \(quoted(String(word))) in \(quoted(text))\(hint)")
    }

    private static func product(whole: Substring, fraction: Substring, unit: UInt64) -> UInt64? {
        let (product, overflow) = (UInt64(whole) ?? .max).multipliedReportingOverflow(by: unit)
        if fraction.isEmpty { return overflow ? .max : product }
        // 10^18 is the largest power of ten that fits into 64 bits with room for the digits below it.
        guard fraction.utf8.count <= 18, let digits = UInt64(fraction) else { return nil }
        let scale = (0..<fraction.utf8.count).reduce(UInt64(1)) { power, _ in power * 10 }
        let (part, remainder) = scale.dividingFullWidth(unit.multipliedFullWidth(by: digits))
        guard remainder == 0 else { return nil }
        return overflow || product.addingReportingOverflow(part).overflow ? .max : product + part
    }

    private static func take(from rest: inout Substring, while isWanted: (Character) -> Bool) -> Substring {
        let taken = rest.prefix(while: isWanted)
        rest = rest[taken.endIndex...]
        return taken
    }

    private static func isDigit(_ character: Character) -> Bool { "0123456789".contains(character) }

    private static func isBlank(_ character: Character) -> Bool { character == " " || character == "\t" }
}
