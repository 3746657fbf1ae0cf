public import AnomalyModel

/// Why something that a script has printed is no report.
public struct UnreadableReport: Error, Equatable, CustomStringConvertible {
    /// What is wrong; one line, safe for a terminal.
    public let description: String

    init(_ description: String) { self.description = description }
}

/// One report of a script of the administrator's own, printed as netanomaly-script(7) asks for.
///
/// All texts are safe: see `safeText`.
public struct ScriptReport: Sendable, Equatable {
    /// A fact that means something to the script and its reader alone.
    public struct Fact: Sendable, Equatable {
        /// Lower-case letters, digits and underscores, the first one a letter.
        public let key: String
        /// Not empty.
        public let value: String
    }

    /// The journal's names end at 64 bytes, of which `NETANOMALY_SCRIPT_` takes 18.
    public static let maximumKeyBytes = 40
    /// Five times what bpftrace 0.17 makes of one string.
    public static let maximumValueBytes = 1024
    /// More than any rule of ours has.
    public static let maximumFacts = 32
    /// What bpftrace's `kstack` has at most.
    public static let maximumFrames = 127
    /// A function's longest name that is worth reading; the kernel allows 512.
    public static let maximumFrameBytes = 128

    /// `rule`: nil for the script's own name.
    public private(set) var rule: String?
    /// `priority`: nil for the script's `Priority=`.
    public private(set) var priority: Priority?
    /// `message`: nil for one that is made of the facts.
    public private(set) var message: String?
    /// `ifname`.
    public private(set) var interfaceName: String?
    /// `ifindex`; 0 where there is none.
    public private(set) var interfaceIndex: UInt32 = 0
    /// `netns`: the inode; 0 where it is not said.
    public private(set) var networkNamespace: UInt32 = 0
    /// `pid`; 0 where there is none.
    public private(set) var pid: UInt32 = 0
    /// `comm`; empty where there is none.
    public private(set) var command = ""
    /// `boottime_ns`: nil for the time when it was read.
    public private(set) var boottimeNanoseconds: UInt64?
    /// `stack`, innermost frame first.
    public private(set) var frames: [String] = []
    /// All other keys, in order.
    public private(set) var facts: [Fact] = []

    /// The keys above that have come: a bit for each, by its place in ``reservedKeys``.
    private var reservedSeen: UInt16 = 0
    private static let reservedKeys = [
        "rule", "priority", "message", "ifname", "ifindex", "netns", "pid", "comm", "boottime_ns", "stack",
    ]

    /// Reads what one `printf` has printed: pairs of key and value, or a JSON object.
    ///
    /// - Returns: nil where there is nothing to report: no text, or one for people, which begins with `#`.
    public init?(text: [UInt8]) throws(UnreadableReport) {
        var reader = ReportReader(text)
        reader.skipBlanks()
        switch reader.next {
        case nil, UInt8(ascii: "#"): return nil
        case UInt8(ascii: "{"):
            try reader.readObject { key, value throws(UnreadableReport) in try set(key, value) }
        default:
            try reader.readPairs { key, value throws(UnreadableReport) in try set(key, value) }
        }
    }

    /// Reads what one `print` of a tuple has printed: keys and values in turn.
    public init(tuple: [String]) throws(UnreadableReport) {
        guard !tuple.isEmpty, tuple.count.isMultiple(of: 2) else {
            throw UnreadableReport("expected keys and values in turn, found a tuple of \(tuple.count)")
        }
        for index in stride(from: 0, to: tuple.count, by: 2) {
            try set(Array(tuple[index].utf8)[...], Array(tuple[index + 1].utf8)[...])
        }
    }

    private mutating func set(
        _ keyBytes: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>
    ) throws(UnreadableReport) {
        guard Self.isKey(keyBytes) else {
            throw UnreadableReport(
                "expected a key of at most \(Self.maximumKeyBytes) lower-case letters, digits and underscores, found "
                    + shown(keyBytes))
        }
        let key = String(decoding: keyBytes, as: UTF8.self)
        try markAsSeen(key)
        if key == "stack" {
            frames = Self.frames(value)
            return
        }
        guard value.count <= Self.maximumValueBytes else {
            throw UnreadableReport("the value of '\(key)' is longer than \(Self.maximumValueBytes) bytes")
        }
        let text = safe(value)
        if text.isEmpty { return }
        switch key {
        case "rule": rule = text
        case "priority": priority = try Self.priority(value)
        case "message": message = text
        case "ifname": interfaceName = text
        case "ifindex": interfaceIndex = try Self.number(value, of: key)
        case "netns": networkNamespace = try Self.number(value, of: key)
        case "pid": pid = try Self.number(value, of: key)
        case "comm": command = text
        case "boottime_ns": boottimeNanoseconds = try Self.number(value, of: key)
        default:
            guard facts.count < Self.maximumFacts else {
                throw UnreadableReport("more than \(Self.maximumFacts) fields of its own")
            }
            facts.append(Fact(key: key, value: text))
        }
    }

    private mutating func markAsSeen(_ key: String) throws(UnreadableReport) {
        guard let index = Self.reservedKeys.firstIndex(of: key) else {
            if facts.contains(where: { $0.key == key }) { throw UnreadableReport("key '\(key)' comes twice") }
            return
        }
        if reservedSeen & 1 << index != 0 { throw UnreadableReport("key '\(key)' comes twice") }
        reservedSeen |= 1 << index
    }

    private static func isKey(_ bytes: ArraySlice<UInt8>) -> Bool {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard let first = bytes.first, letters.contains(first), bytes.count <= maximumKeyBytes else { return false }
        return bytes.allSatisfy { letters.contains($0) || digits.contains($0) || $0 == UInt8(ascii: "_") }
    }

    private static func priority(_ value: ArraySlice<UInt8>) throws(UnreadableReport) -> Priority {
        let text = String(decoding: value, as: UTF8.self)
        let level = Priority.allCases.first { $0.word == text || String($0.rawValue) == text }
        guard let level else { throw UnreadableReport("expected a priority, found \(shown(value))") }
        return level
    }

    private static func number<Number: FixedWidthInteger>(
        _ value: ArraySlice<UInt8>, of key: String
    ) throws(UnreadableReport) -> Number {
        let isDecimal = value.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard isDecimal, let number = Number(String(decoding: value, as: UTF8.self)) else {
            throw UnreadableReport("expected a number for '\(key)', found \(shown(value))")
        }
        return number
    }

    /// As bpftrace prints a stack: a frame a line, indented.
    private static func frames(_ value: ArraySlice<UInt8>) -> [String] {
        let lines = value.split(separator: UInt8(ascii: "\n")).lazy.map { line in
            line.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        }
        return lines.filter { !$0.isEmpty }.prefix(maximumFrames).map { safe($0.prefix(maximumFrameBytes)) }
    }
}

/// The beginning of a text in quotes, for a sentence about it.
func shown(_ bytes: ArraySlice<UInt8>) -> String {
    "'\(safe(bytes.prefix(40)))\(bytes.count > 40 ? "..." : "")'"
}

/// `safeText`, with a short way for what nearly all texts are: printable ASCII.
private func safe(_ bytes: ArraySlice<UInt8>) -> String {
    let isPlain = bytes.allSatisfy { (0x20..<0x7f).contains($0) && $0 != UInt8(ascii: "\\") }
    return isPlain ? String(decoding: bytes, as: UTF8.self) : safeText(bytes)
}
