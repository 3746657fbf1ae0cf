/// A pattern of interface names, as in a shell: `*`, `?`, `[a-z]`, `[!a-z]`.
public struct InterfaceGlob: Hashable, Sendable {
    /// IFNAMSIZ without the NUL: no name is longer.
    static let maximumNameBytes = 15

    /// As the file has it.
    public let text: String
    /// For each character of a name that the pattern asks for: the bytes that it may be.
    let characters: [Set<UInt8>]
    /// Before which of them, or at the end behind the last, there may be more characters.
    let gaps: Set<Int>

    /// Reads a pattern that some interface name can match.
    init(_ text: String) throws(Complaint) {
        var characters: [Set<UInt8>] = []
        var gaps: Set<Int> = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "*"): gaps.insert(characters.count)
            case UInt8(ascii: "?"): characters.append(Set(1...255))
            case UInt8(ascii: "["): characters.append(try Self.set(from: &rest, of: text))
            // dev_valid_name() in the kernel; blanks have ended the pattern already.
            case UInt8(ascii: "/"), UInt8(ascii: ":"):
                throw Complaint("no interface name has a '/' or ':', found \(quoted(text))")
            default: characters.append([byte])
            }
        }
        guard characters.count <= Self.maximumNameBytes else {
            throw Complaint("no interface name is longer than \(Self.maximumNameBytes) bytes, found \(quoted(text))")
        }
        self.text = text
        self.characters = characters
        self.gaps = gaps
    }

    /// The rest of `[a-z]`; as in fnmatch(3), a bracket that comes first stands for itself.
    private static func set(from rest: inout ArraySlice<UInt8>, of text: String) throws(Complaint) -> Set<UInt8> {
        if rest.first == UInt8(ascii: "^") {
            throw Complaint("'[^' is written '[!' here, found \(quoted(text))")
        }
        let isNegated = rest.first == UInt8(ascii: "!")
        if isNegated { rest.removeFirst() }
        var bytes: Set<UInt8> = []
        while let first = rest.popFirst() {
            if first == UInt8(ascii: "]"), !bytes.isEmpty { return isNegated ? Set(1...255).subtracting(bytes) : bytes }
            guard first < 0x80, first != UInt8(ascii: "[") else {
                throw Complaint("between '[' and ']' only ASCII without '[' may stand, found \(quoted(text))")
            }
            var last = first
            if rest.first == UInt8(ascii: "-"), let end = rest.dropFirst().first, end != UInt8(ascii: "]") {
                last = end
                rest = rest.dropFirst(2)
            }
            guard first <= last, last < 0x80 else {
                throw Complaint("a range goes from a lower to a higher ASCII character, found \(quoted(text))")
            }
            bytes.formUnion(first...last)
        }
        throw Complaint("expected ']' after '[', found \(quoted(text))")
    }
}
