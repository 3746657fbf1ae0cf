public import AnomalyModel
import CLibbpf

/// What our own scripts must be told of the running kernel.
public enum ScriptSurroundings {
    private static let dropFormat = "/sys/kernel/tracing/events/skb/kfree_skb/format"
    private static let begin = "// --- needs reason: begin ---\n"
    private static let end = "// --- needs reason: end ---\n"

    /// Positional parameters with the offsets of members in drivers' structures, each one more than it is, 0 where it is
    /// not known; at last where a device's private part begins.
    public static func layout(of members: [ModuleMember]) -> [String] {
        let offsets = ModuleTypes.offsetsAnywhere(of: members) + [ModuleTypes.privatePart()]
        // The types of a whole kernel were on the heap.
        malloc_trim(0)
        return offsets.map { String(($0 ?? UInt32.max) &+ 1) }
    }

    /// Whether kfree_skb tells why a packet was dropped; true where that cannot be found out.
    public static var hasDropReason: Bool { tellsReason(dropFormat) }

    private static func tellsReason(_ format: String) -> Bool {
        KernelRequirements.readText(format).map { $0.contains(" reason;") } ?? true
    }

    /// A script as this kernel can run it: without what needs the reason of a drop, if kfree_skb does not tell it.
    ///
    /// - Parameter format: stands in for the kernel's description of that tracepoint in tests.
    public static func adapted(_ script: String, format: String? = nil) -> [UInt8] {
        let bytes = Array(script.utf8)
        guard !tellsReason(format ?? dropFormat), let start = bytes.firstRange(of: Array(begin.utf8)),
            let stop = bytes.firstRange(of: Array(end.utf8)), start.upperBound <= stop.lowerBound
        else { return bytes }
        return Array(bytes[..<start.lowerBound] + bytes[stop.upperBound...])
    }
}
