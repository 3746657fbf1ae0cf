/// One statement of a configuration file: a line, with the lines that continue it, that is no blank and no comment.
struct Statement {
    enum Content {
        /// `[Name]` or `[Name argument]`.
        case section(name: String, argument: String?)
        /// `Key=value`; the value may be empty.
        case assignment(key: String, value: String, places: Places)
        /// A line beginning with `[` that is not a section header: what follows belongs to no known section.
        case malformedSection(Complaint)
        /// Any other line that cannot be read.
        case malformedLine(Complaint)
    }

    /// Where the statement begins, or where it is broken.
    let place: Place
    let content: Content
}

/// A configuration file as a sequence of statements with their places: syntax only, no meaning.
///
/// Lines are read when they are asked for, so memory does not grow with the number of bad ones.
struct ConfigurationDocument: Sequence, IteratorProtocol {
    private var rest: ArraySlice<UInt8>
    private var line = 0

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    mutating func next() -> Statement? {
        while !rest.isEmpty {
            var text = nextLine()
            var places = Places(line: line)
            if !isComment(text), text.last == continuation { join(&text, &places) }
            if let statement = statement(in: text, at: places) { return statement }
        }
        return nil
    }

    private mutating func nextLine() -> ArraySlice<UInt8> {
        let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
        var text = rest[..<end]
        rest = rest[end...].dropFirst()
        line += 1
        if text.last == UInt8(ascii: "\r") { text.removeLast() }
        return text
    }

    /// Adds the lines that continue one, each backslash a blank; comments between them do not count.
    private mutating func join(_ text: inout ArraySlice<UInt8>, _ places: inout Places) {
        var joined = Array(text)
        while joined.last == continuation, !rest.isEmpty {
            let next = nextLine()
            if isComment(next) { continue }
            joined[joined.endIndex - 1] = UInt8(ascii: " ")
            places.add(line: line, at: joined.count)
            joined += next
        }
        if joined.last == continuation { joined.removeLast() }
        text = joined[...]
    }

    private func statement(in text: ArraySlice<UInt8>, at places: Places) -> Statement? {
        func at(_ index: Int, _ content: Statement.Content) -> Statement {
            Statement(place: places.place(at: index - text.startIndex), content: content)
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
        let valuePlaces = places.dropFirst(value.startIndex - text.startIndex)
        return at(body.startIndex, .assignment(key: string(key), value: string(value), places: valuePlaces))
    }

    private func section(_ header: ArraySlice<UInt8>) -> Statement.Content {
        let name = trimmed(header).prefix { !isBlank($0) }
        if name.isEmpty { return .malformedSection(Complaint("expected a name between '[' and ']'")) }
        let argument = trimmed(header[name.endIndex...])
        return .section(name: string(name), argument: argument.isEmpty ? nil : string(argument))
    }
}

/// As the last byte of a line.
private let continuation = UInt8(ascii: "\\")

private func isComment(_ line: ArraySlice<UInt8>) -> Bool {
    let first = trimmed(line).first
    return first == UInt8(ascii: "#") || first == UInt8(ascii: ";")
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
