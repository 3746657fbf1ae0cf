import AnomalyModel

/// How values of one kind are read and written.
struct Syntax<Value> {
    /// Takes a value that is not empty.
    let parse: (String) throws(Complaint) -> Value
    /// What `parse` reads back as the same value.
    let text: (Value) -> String
}

extension Syntax<Bool> {
    /// The words of systemd.syntax(7), case aside.
    static var boolean: Syntax {
        Syntax(
            parse: { text throws(Complaint) in
                switch text.lowercased() {
                case "yes", "true", "on", "1": return true
                case "no", "false", "off", "0": return false
                default: throw Complaint("expected yes or no, found \(quoted(text))")
                }
            },
            text: { $0 ? "yes" : "no" }
        )
    }
}

extension Syntax<UInt64> {
    /// A time span in nanoseconds, within a range or, where that has a meaning of its own, zero.
    static func timeSpan(_ range: ClosedRange<UInt64>, orZero: Bool = false) -> Syntax {
        let bounds = "a time span from \(TimeSpan.text(range.lowerBound)) to \(TimeSpan.text(range.upperBound))"
        return Syntax(
            parse: { text throws(Complaint) in
                if let value = try TimeSpan.nanoseconds(text), range.contains(value) || orZero && value == 0 {
                    return value
                }
                throw Complaint("expected \(orZero ? "0 or " : "")\(bounds), found \(quoted(text))")
            },
            text: TimeSpan.text
        )
    }
}

extension Syntax<UInt32> {
    /// Decimal digits within a range.
    static func count(_ range: ClosedRange<UInt32>) -> Syntax {
        Syntax(
            parse: { text throws(Complaint) in
                let isDecimal = text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
                if isDecimal, let value = UInt32(text), range.contains(value) { return value }
                throw Complaint(
                    "expected a whole number from \(range.lowerBound) to \(range.upperBound), found \(quoted(text))")
            },
            text: { String($0) }
        )
    }
}

extension Syntax<Priority> {
    /// A level's word or number, as in syslog(3).
    static var priority: Syntax {
        Syntax(
            parse: { text throws(Complaint) in
                let levels = Priority.allCases
                if let level = levels.first(where: { $0.word == text || String($0.rawValue) == text }) { return level }
                let words = levels.map(\.word)
                throw Complaint(
                    "expected \(words.joined(separator: ", ")) or 0 to 7, found \(quoted(text))"
                        + suggestion(for: text, among: words))
            },
            text: \.word
        )
    }
}

extension Syntax<Backend> {
    /// A backend, or the choice between them.
    static var backend: Syntax {
        Syntax(
            parse: { text throws(Complaint) in
                if let backend = Backend(rawValue: text) { return backend }
                let words = Backend.allCases.map(\.rawValue)
                throw Complaint(
                    "expected \(words.joined(separator: ", ")), found \(quoted(text))"
                        + suggestion(for: text, among: words))
            },
            text: \.rawValue
        )
    }
}

/// What stands between the blanks of a value, with its place in bytes.
func words(of text: String) -> [(text: String, offset: Int)] {
    text.utf8.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }.map { word in
        (String(Substring(word)), text.utf8.distance(from: text.startIndex, to: word.startIndex))
    }
}
