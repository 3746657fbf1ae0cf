/// A version of bpftrace.
public struct BpftraceVersion: Sendable, Comparable, CustomStringConvertible {
    /// The oldest that our scripts were tried with.
    public static let oldest = BpftraceVersion(major: 0, minor: 17)

    /// 0 in all versions that matter so far.
    public let major: Int
    /// What decides.
    public let minor: Int

    /// Makes a version.
    public init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// Reads what `bpftrace --version` prints: `bpftrace v0.17.0`; nil if it is something else.
    init?(printed text: String) {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard let word = words.first(where: { $0.hasPrefix("v") }) else { return nil }
        let numbers = word.dropFirst().split(separator: ".").prefix(2).map { Int($0) }
        guard numbers.count == 2, let major = numbers[0], let minor = numbers[1] else { return nil }
        self.init(major: major, minor: minor)
    }

    /// By major, then by minor number.
    public static func < (left: BpftraceVersion, right: BpftraceVersion) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }

    /// As in 0.17.
    public var description: String { "\(major).\(minor)" }
}
