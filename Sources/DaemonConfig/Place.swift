/// A byte of a file.
struct Place {
    /// From 1.
    let line: Int
    /// In bytes, from 1.
    let column: Int
}

/// Where each byte of a text stands that may have been put together from several lines.
struct Places {
    /// Each line's part by the offset of its first byte; the first part begins at 0.
    private var parts: [(offset: Int, line: Int)]
    /// Where the text begins that offsets are asked for.
    private var start = 0

    init(line: Int) { parts = [(0, line)] }

    mutating func add(line: Int, at offset: Int) { parts.append((offset, line)) }

    /// The place of a byte, or of the text's end.
    func place(at offset: Int) -> Place {
        let index = start + offset
        let part = parts.last { $0.offset <= index } ?? parts[0]
        return Place(line: part.line, column: index - part.offset + 1)
    }

    /// The places of the text without its first bytes.
    func dropFirst(_ count: Int) -> Places {
        var places = self
        places.start += count
        return places
    }
}
