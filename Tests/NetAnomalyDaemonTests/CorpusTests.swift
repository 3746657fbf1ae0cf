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
}
