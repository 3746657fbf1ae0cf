extension Syntax<String> {
    /// The path of a file, from the root.
    static var absolutePath: Syntax {
        Syntax(
            parse: { text throws(Complaint) in
                // PATH_MAX of linux/limits.h counts a NUL.
                if text.hasPrefix("/"), text.utf8.count < 4096 { return text }
                throw Complaint("expected an absolute path, found \(quoted(text))")
            },
            text: { $0 }
        )
    }
}

extension Syntax<[String]> {
    /// Positional parameters, separated by blanks; the same one may come again.
    static var arguments: Syntax {
        Syntax(
            parse: { text throws(Complaint) in
                let words = words(of: text)
                guard words.count <= ScriptSettings.maximumArguments else {
                    throw Complaint("expected at most \(ScriptSettings.maximumArguments) parameters")
                }
                if let long = words.first(where: { $0.text.utf8.count > ScriptSettings.maximumArgumentBytes }) {
                    throw Complaint(
                        "expected at most \(ScriptSettings.maximumArgumentBytes) bytes in a parameter, found "
                            + quoted(long.text), offset: long.offset)
                }
                return words.map(\.text)
            },
            text: { $0.joined(separator: " ") }
        )
    }
}

extension Syntax<[String]> {
    static var keyFields: Syntax { .list(.keyField, atMost: ScriptSettings.maximumKeyFields) }
}

extension Syntax<String> {
    /// The key of a report's field that may tell two reports apart.
    static var keyField: Syntax {
        Syntax(
            parse: { text throws(Complaint) in
                switch text {
                case "rule", "ifname", "ifindex", "netns":
                    throw Complaint("\(quoted(text)) always counts, expected other fields only")
                case "priority", "message", "boottime_ns", "stack":
                    throw Complaint("\(quoted(text)) cannot tell reports apart")
                case _ where isScriptWord(text, joinedBy: "_"): return text
                default:
                    throw Complaint(
                        "expected the key of a field: a lower-case letter, then at most 39 lower-case letters, digits "
                            + "and underscores, found \(quoted(text))")
                }
            },
            text: { $0 }
        )
    }
}

/// A lower-case letter, then at most 39 lower-case letters, digits and joints.
func isScriptWord(_ text: String, joinedBy joint: Unicode.Scalar) -> Bool {
    let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
    guard let first = text.utf8.first, letters.contains(first), text.utf8.count <= 40 else { return false }
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    return text.utf8.allSatisfy { letters.contains($0) || digits.contains($0) || $0 == UInt8(ascii: joint) }
}
