import AnomalyModel
import Glibc

/// A record for a person at a terminal: one headline, then where, who, the facts in words, and the stack.
struct TextRenderer {
    /// A stack is recognised by its innermost frames; the journal has all of them.
    static let maxFrames = 12

    /// Whether escape sequences may be used; the caller knows if it is a terminal and what NO_COLOR says.
    let isColoured: Bool

    /// The text, ending in a newline.
    ///
    /// - Parameter realtimeOffsetNanoseconds: CLOCK_REALTIME minus CLOCK_BOOTTIME, now.
    func render(_ record: Record, realtimeOffsetNanoseconds: UInt64) -> String {
        var facts = RecordFacts(record)
        let boottime = record[.boottime].flatMap { UInt64($0) } ?? 0
        let time = localTime(realtimeNanoseconds: boottime &+ realtimeOffsetNanoseconds)
        let word = paint(record.priority.word, colour(of: record.priority))
        let rule = paint(record.rule.text, "1")
        var text = "\(paint(time, "2")) \(word) \(rule): \(facts.take(.message) ?? "")\n"
        for line in facts.lines() {
            text += "  \(line.label)\(String(repeating: " ", count: 7 - line.label.count))\(line.text)\n"
        }
        let frames = record[.stack]?.split(separator: "\n") ?? []
        for (index, frame) in frames.prefix(Self.maxFrames).enumerated() {
            text += (index == 0 ? "  stack  " : "         ") + paint(printable(String(frame)), "2") + "\n"
        }
        if frames.count > Self.maxFrames {
            text += "         " + paint("and \(frames.count - Self.maxFrames) more", "2") + "\n"
        }
        return text
    }

    private func colour(of priority: Priority) -> String {
        switch priority {
        case .emergency, .alert, .critical, .error: "1;31"
        case .warning: "1;33"
        case .notice: "36"
        case .info, .debug: "2"
        }
    }

    /// Wraps in a Select Graphic Rendition sequence (ECMA-48).
    private func paint(_ text: String, _ rendition: String) -> String {
        isColoured ? "\u{1b}[\(rendition)m\(text)\u{1b}[0m" : text
    }
}

/// `2026-11-24 03:12:44.120` in the time zone of the host.
func localTime(realtimeNanoseconds: UInt64) -> String {
    var seconds = time_t(realtimeNanoseconds / 1_000_000_000)
    var local = tm()
    localtime_r(&seconds, &local)
    func digits(_ number: Int32, _ width: Int = 2) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
    let milliseconds = Int32(realtimeNanoseconds / 1_000_000 % 1000)
    return "\(local.tm_year + 1900)-\(digits(local.tm_mon + 1))-\(digits(local.tm_mday)) "
        + "\(digits(local.tm_hour)):\(digits(local.tm_min)):\(digits(local.tm_sec)).\(digits(milliseconds, 3))"
}

/// Text without what a terminal would obey; a second fence behind the decoders'.
func printable(_ text: String) -> String {
    func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
    }
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    return text.unicodeScalars.map { isControl($0) ? "\\x" + hexByte(UInt8($0.value)) : String($0) }.joined()
}
