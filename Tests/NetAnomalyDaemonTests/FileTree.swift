import Glibc

/// A folder that stands in for `/`, with the files that a test needs; it goes when its owner does.
final class FileTree {
    let root: String
    private var made: [String] = []

    init() throws {
        var template = Array("/tmp/netanomalyd-tree-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CannotPrepare() }
        root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for path in made.reversed() { remove(path) }
        rmdir(root)
    }

    /// Makes a file, and the folders it lies in; returns where it is.
    @discardableResult
    func write(_ path: String, _ text: String) throws -> String {
        let place = try makePlace(path)
        guard let stream = fopen(place, "w") else { throw CannotPrepare() }
        fputs(text, stream)
        fclose(stream)
        return place
    }

    /// Makes a symbolic link, which need not lead anywhere.
    func link(_ path: String, to target: String) throws {
        guard symlink(target, try makePlace(path)) == 0 else { throw CannotPrepare() }
    }

    private func makePlace(_ path: String) throws -> String {
        var place = root
        let parts = path.split(separator: "/")
        for folder in parts.dropLast() {
            place += "/\(folder)"
            if mkdir(place, 0o755) == 0 { made.append(place) }
        }
        place += "/\(parts.last ?? "")"
        made.append(place)
        return place
    }
}
