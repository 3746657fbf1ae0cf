import AnomalyModel
import CDetectorEvents

/// One line of our own scripts, read from left to right.
///
/// `PROBE NUMBER... NAME[/NAME]`, the numbers in hex, then on lines of their own the kernel stack; behind a byte 1 the
/// command of what ran, which may hold anything.
struct SightLine {
    private static let separator: UInt8 = 1
    /// TASK_COMM_LEN without its end; the separator stands before it.
    private static let maxCommandBytes = 15

    private let bytes: [UInt8]
    private var at: Int
    /// Where the names end.
    private let headEnd: Int
    /// Where the stack ends.
    private let stackEnd: Int
    /// False as soon as something was not as it should be.
    private(set) var isSound: Bool

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        at = 0
        headEnd = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
        // The command may hold the separator itself, but nothing before it does.
        let tail = max(headEnd, bytes.count - Self.maxCommandBytes - 1)
        let end = bytes[tail...].firstIndex(of: Self.separator)
        stackEnd = end ?? bytes.endIndex
        isSound = end != nil
    }

    /// The bytes up to the next blank.
    mutating func word() -> ArraySlice<UInt8> {
        let start = at
        while at < headEnd, bytes[at] != UInt8(ascii: " ") { at += 1 }
        defer { at = min(at + 1, headEnd) }
        return bytes[start..<at]
    }

    /// The number of the probe whose name comes next; nil if it is none of these.
    mutating func probe(of names: TracepointNames) -> UInt32? {
        let word = word()
        return names.all.firstIndex { $0.elementsEqual(word) }.map { UInt32($0) }
    }

    /// A number in hex; 0 and not sound where there is none.
    mutating func number() -> UInt64 {
        let start = at
        var value: UInt64 = 0
        while at < headEnd {
            let byte = bytes[at]
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte &- UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte &- UInt8(ascii: "a") &+ 10
            default:
                if byte != UInt8(ascii: " ") { isSound = false }
                if at == start || at - start > 16 { isSound = false }
                at += 1
                return value
            }
            value = value << 4 | UInt64(digit)
            at += 1
        }
        if at == start || at - start > 16 { isSound = false }
        return value
    }

    /// Both halves of a number.
    mutating func halves() -> (low: UInt32, high: UInt32) {
        let value = number()
        return (UInt32(truncatingIfNeeded: value), UInt32(truncatingIfNeeded: value >> 32))
    }

    /// A number's four 16-bit parts, the lowest first.
    mutating func quarters() -> (UInt16, UInt16, UInt16, UInt16) {
        let value = number()
        return (
            UInt16(truncatingIfNeeded: value), UInt16(truncatingIfNeeded: value >> 16),
            UInt16(truncatingIfNeeded: value >> 32), UInt16(truncatingIfNeeded: value >> 48)
        )
    }

    /// The rest of the first line: one name, or two with a slash between them, which no interface's name can have.
    mutating func names() -> (ArraySlice<UInt8>, ArraySlice<UInt8>) {
        let rest = bytes[min(at, headEnd)..<headEnd]
        at = headEnd
        guard let slash = rest.firstIndex(of: UInt8(ascii: "/")) else { return (rest, []) }
        return (rest[..<slash], rest[(slash + 1)...])
    }

    /// The command.
    var command: ArraySlice<UInt8> { stackEnd < bytes.count ? bytes[(stackEnd + 1)...] : [] }

    /// The stack as it was printed.
    var stack: ArraySlice<UInt8> { headEnd < stackEnd ? bytes[headEnd..<stackEnd] : [] }
}

/// The tracepoints' full names, as bpftrace prints them, in the order of a detector's probes.
struct TracepointNames {
    let all: [[UInt8]]

    init(_ probes: [Probe]) { all = probes.map { Array($0.tracepoint.utf8) } }
}

/// A kernel stack as bpftrace prints it: read only when it is needed, which most are not.
public struct StackText: Sendable {
    /// As many as the programs of the other backend take.
    static let maxFrames = Int(NA_STACK_MAX)

    private let bytes: [UInt8]

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = Array(bytes) }

    /// `arp_process+64`, innermost first.
    public var frames: [String] {
        bytes.split(separator: UInt8(ascii: "\n")).lazy
            .map { $0.drop { $0 == UInt8(ascii: " ") } }
            .filter { !$0.isEmpty }
            .prefix(Self.maxFrames).map { safeText($0) }
    }
}

/// Copies a name into a C array, which keeps its end.
func fill<Name>(_ name: inout Name, with bytes: ArraySlice<UInt8>) {
    withUnsafeMutableBytes(of: &name) { target in
        let count = min(bytes.count, target.count - 1)
        for (index, byte) in bytes.prefix(count).enumerated() { target[index] = byte }
    }
}

/// Copies words into a C array of bytes, the lowest byte of each first.
func fill<Bytes>(_ bytes: inout Bytes, withWords count: Int, from line: inout SightLine) {
    withUnsafeMutableBytes(of: &bytes) { target in
        for index in 0..<count {
            target.storeBytes(of: line.number().littleEndian, toByteOffset: 8 * index, as: UInt64.self)
        }
    }
}

/// The MAC that a script has read as a little-endian number, as a number whose first byte is the highest.
func macBits(_ word: UInt64) -> UInt64 { word.byteSwapped >> 16 }
