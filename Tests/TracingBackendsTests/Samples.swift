import AnomalyModel
import Glibc
import Testing

@testable import TracingBackends

/// A directory that stands in for `/`, and goes with all that was put into it when its owner does.
final class FakeRoot {
    let path: String
    private var made: [String] = []

    init() throws {
        var template = Array("/tmp/netanomalyd-test-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Writes a file and makes the directories above it.
    func write(_ text: String, to file: String) throws {
        var directory = path
        for part in file.split(separator: "/").dropLast() {
            directory += "/" + part
            if mkdir(directory, 0o755) == 0 { made.append(directory) }
        }
        let stream = try #require(fopen(path + file, "w"))
        fputs(text, stream)
        fclose(stream)
        made.append(path + file)
    }

    deinit {
        for entry in made.reversed() { remove(entry) }
        rmdir(path)
    }
}

/// An object in which every `old` is `new`, which is as long: to make it name a hook that no kernel has.
func renaming(_ old: String, to new: String, in object: ProbeObject) -> ProbeObject {
    precondition(old.utf8.count == new.utf8.count, "the image's layout must not change")
    var image = object.words.withUnsafeBytes { Array($0) }
    let (wanted, replacement) = (Array(old.utf8), Array(new.utf8))
    for start in 0..<(image.count - wanted.count) where image[start] == wanted[0] {
        let range = start..<(start + wanted.count)
        if image[range].elementsEqual(wanted) { image.replaceSubrange(range, with: replacement) }
    }
    let words = image.withUnsafeBytes { bytes in
        stride(from: 0, to: bytes.count, by: 8).map { bytes.loadUnaligned(fromByteOffset: $0, as: UInt64.self) }
    }
    return ProbeObject(name: object.name, size: object.size, words: words)
}

/// Nothing is trusted.
let noTrust = TrustTables(
    globs: [[UInt64]](repeating: [UInt64](repeating: 0, count: 264), count: 16), macs: [], addresses: [], bindings: [])

/// Where the kernel's symbol is, as root sees it.
func kernelAddress(of symbol: String) throws -> UInt64 {
    let file = try #require(fopen("/proc/kallsyms", "r"))
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 1024)
    while fgets(&line, CInt(line.count), file) != nil {
        let words = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }.split { $0 == 0x20 || $0 == 0x0a }
        if words.count == 3, words[2].elementsEqual(symbol.utf8) {
            return try #require(UInt64(String(decoding: words[0], as: UTF8.self), radix: 16))
        }
    }
    throw MissingSymbol(name: symbol)
}

/// The kernel has no symbol of that name.
struct MissingSymbol: Error {
    let name: String
}
