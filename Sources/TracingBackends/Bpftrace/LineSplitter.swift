import Glibc

/// Cuts a stream of bytes into lines, whatever its pieces are.
///
/// No work per byte but memchr's; a line that lies within one piece is not copied.
struct LineSplitter {
    private let maxLineBytes: Int
    /// The beginning of a line whose end has not come; never longer than a line may be.
    private var partial: [UInt8] = []
    private var isSkipping = false
    /// Lines longer than allowed: none of their bytes was handed out.
    private(set) var oversized: UInt64 = 0

    init(maxLineBytes: Int) { self.maxLineBytes = maxLineBytes }

    /// Takes the next bytes and hands out each line that they complete, without its newline.
    mutating func feed(_ piece: UnsafeRawBufferPointer, onLine: (UnsafeRawBufferPointer) -> Void) {
        var start = 0
        while start < piece.count {
            let rest = UnsafeRawBufferPointer(rebasing: piece[start...])
            guard let end = rest.firstOffset(of: UInt8(ascii: "\n")) else { return keep(rest) }
            finish(UnsafeRawBufferPointer(rebasing: rest[..<end]), onLine: onLine)
            start += end + 1
        }
    }

    /// The stream has ended: a last line without a newline counts as one.
    mutating func end(onLine: (UnsafeRawBufferPointer) -> Void) {
        if !partial.isEmpty || isSkipping { finish(UnsafeRawBufferPointer(start: nil, count: 0), onLine: onLine) }
    }

    private mutating func keep(_ bytes: UnsafeRawBufferPointer) {
        if isSkipping { return }
        if partial.count + bytes.count > maxLineBytes {
            isSkipping = true
            partial.removeAll(keepingCapacity: true)
        } else {
            partial.append(contentsOf: bytes)
        }
    }

    private mutating func finish(_ bytes: UnsafeRawBufferPointer, onLine: (UnsafeRawBufferPointer) -> Void) {
        if isSkipping || partial.count + bytes.count > maxLineBytes {
            oversized += 1
        } else if partial.isEmpty {
            onLine(bytes)
        } else {
            partial.append(contentsOf: bytes)
            partial.withUnsafeBytes(onLine)
        }
        isSkipping = false
        partial.removeAll(keepingCapacity: true)
    }
}

extension UnsafeRawBufferPointer {
    /// Where the byte is first, counted from the start.
    func firstOffset(of byte: UInt8) -> Int? {
        guard let baseAddress, let found = memchr(baseAddress, Int32(byte), count) else { return nil }
        return UnsafeRawPointer(found) - baseAddress
    }
}
