import Glibc
import Testing

/// Inputs that were once worth keeping, see Tests/Fuzz/run.
@Suite struct CorpusTests {
    private func inputs(_ property: Property) throws -> [(path: String, bytes: [UInt8])] {
        let tests = "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        var found = glob_t()
        defer { globfree(&found) }
        guard glob("\(tests)/Fuzz/corpus/\(property)/*", 0, nil, &found) == 0 else { throw CannotPrepare() }
        return try (0..<found.gl_pathc).map { index in
            let path = String(cString: try #require(found.gl_pathv[Int(index)]))
            let file = try #require(fopen(path, "r"), "cannot open \(path)")
            defer { fclose(file) }
            var bytes: [UInt8] = []
            while case let byte = getc(file), byte != EOF { bytes.append(UInt8(byte)) }
            return (path, bytes)
        }
    }

    @Test(arguments: Property.allCases)
    func `every known input, and what is left of it when cut, is taken well`(property: Property) throws {
        for (path, bytes) in try inputs(property) {
            for length in Array(stride(from: 0, to: bytes.count, by: 1 + bytes.count / 50)) + [bytes.count] {
                let violation = property.violation(by: Array(bytes.prefix(length)))
                #expect(violation == nil, "the first \(length) bytes of \(path)")
            }
        }
    }

    /// Not a search, which Tests/Fuzz/run is: the same few thousand inputs on every run.
    @Test(arguments: Property.allCases)
    func `every known input, with a few bytes changed, is taken well`(property: Property) throws {
        var random = SeededGenerator(state: 1)
        for (path, bytes) in try inputs(property) where !bytes.isEmpty {
            for _ in 0..<60 {
                let changed = changed(bytes, &random)
                let violation = property.violation(by: changed)
                #expect(violation == nil, "\(path), changed: \(changed)")
            }
        }
    }

    /// One to four bytes replaced, taken out or put in, with a liking for those that mean something.
    private func changed(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        let telling = Array(" \n/0f\u{1}\\\"=[]".utf8) + [0, 0x7f, 0x80, 0xff]
        var changed = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let index = Int.random(in: 0...changed.count, using: &random)
            let byte =
                Bool.random(using: &random)
                ? telling.randomElement(using: &random) ?? 0 : .random(in: 0...255, using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: changed.insert(byte, at: index)
            case 1 where index < changed.count: changed.remove(at: index)
            case _ where index < changed.count: changed[index] = byte
            default: changed.append(byte)
            }
        }
        return changed
    }
}
