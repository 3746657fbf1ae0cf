/// One line of a configuration file that is neither blank nor a comment.
struct Statement: Equatable {
    enum Content: Equatable {
        /// `[Name]` or `[Name argument]`.
        case section(name: String, argument: String?)
        /// `Key=value`; the value may be empty.
        case assignment(key: String, value: String, valueColumn: Int)
        /// A line beginning with `[` that is not a section header: what follows belongs to no known section.
        case malformedSection(Complaint)
        /// Any other line that cannot be read.
        case malformedLine(Complaint)
    }

    /// From 1.
    let line: Int
    /// In bytes, from 1: where the statement begins, or where it is broken.
    let column: Int
    let content: Content
}

/// A configuration file as a sequence of statements with their positions: syntax only, no meaning.
///
/// Lines are read when they are asked for, so memory does not grow with the number of bad ones.
struct ConfigurationDocument: Sequence, IteratorProtocol {
    private var rest: ArraySlice<UInt8>
    private var line = 0

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    mutating func next() -> Statement? {
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
            var text = rest[..<end]
            rest = rest[end...].dropFirst()
            line += 1
            if text.last == UInt8(ascii: "\r") { text.removeLast() }
            if let statement = statement(in: text) { return statement }
        }
        return nil
    }

    private func statement(in text: ArraySlice<UInt8>) -> Statement? {
        func at(_ index: Int, _ content: Statement.Content) -> Statement {
            Statement(line: line, column: index - text.startIndex + 1, content: content)
        }
        if let (index, complaint) = firstBadByte(in: text) { return at(index, .malformedLine(complaint)) }
        let body = trimmed(text)
        switch body.first {
        case nil, UInt8(ascii: "#"), UInt8(ascii: ";"): return nil
        case UInt8(ascii: "["):
            guard let close = body.firstIndex(of: UInt8(ascii: "]")) else {
                return at(body.endIndex, .malformedSection(Complaint("expected ']' at the end of the section header")))
            }
            guard close == body.endIndex - 1 else {
                return at(close + 1, .malformedSection(Complaint("expected nothing after ']'")))
            }
            return at(body.startIndex, section(body.dropFirst().dropLast()))
        default: break
        }
        guard let sign = body.firstIndex(of: UInt8(ascii: "=")) else {
            let complaint = Complaint("expected 'Key=value' or '[Section]', found \(quoted(string(body)))")
            return at(body.startIndex, .malformedLine(complaint))
        }
        let key = trimmed(body[..<sign])
        let value = trimmed(body[(sign + 1)...])
        if key.isEmpty { return at(body.startIndex, .malformedLine(Complaint("expected a key before '='"))) }
        let valueColumn = value.startIndex - text.startIndex + 1
        return at(
            body.startIndex, .assignment(key: string(key), value: string(value), valueColumn: valueColumn))
    }

    private func section(_ header: ArraySlice<UInt8>) -> Statement.Content {
        let name = trimmed(header).prefix { !isBlank($0) }
        if name.isEmpty { return .malformedSection(Complaint("expected a name between '[' and ']'")) }
        let argument = trimmed(header[name.endIndex...])
        return .section(name: string(name), argument: argument.isEmpty ? nil : string(argument))
    }
}

private func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

private func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let start = bytes.firstIndex { !isBlank($0) } ?? bytes.endIndex
    let end = bytes.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? start
    return bytes[start..<end]
}

/// For bytes that `firstBadByte` has found nothing in.
private func string(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

/// Where a line stops being text, and why.
private func firstBadByte(in text: ArraySlice<UInt8>) -> (index: Int, complaint: Complaint)? {
    do {
        _ = try UTF8Span(validating: text.span)
    } catch {
        return (text.startIndex + error.byteOffsets.lowerBound, Complaint("not valid UTF-8"))
    }
    return text.firstIndex(of: 0).map { ($0, Complaint("unexpected NUL byte")) }
}
