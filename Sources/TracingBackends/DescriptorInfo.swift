import Glibc

/// What the kernel says of an open descriptor in `/proc/self/fdinfo`.
enum DescriptorInfo {
    /// A few lines of a few words; the longest known has under 600 bytes.
    private static let maxBytes = 4096

    /// The number behind `name:`; nil if there is none.
    static func number(_ name: String, of descriptor: CInt) -> UInt64? {
        guard descriptor >= 0 else { return nil }
        let file = open("/proc/self/fdinfo/\(descriptor)", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: maxBytes)
        let count = read(file, &bytes, bytes.count)
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        for line in text.split(separator: "\n") where line.hasPrefix(name + ":") {
            return UInt64(line.dropFirst(name.utf8.count + 1).filter { $0.isNumber })
        }
        return nil
    }
}
