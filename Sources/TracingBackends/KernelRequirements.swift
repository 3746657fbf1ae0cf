import Glibc

/// What the kernel and the process must offer, checked one by one so that each lack has its own sentence.
public enum KernelRequirements {
    private static let typeInformation = "/sys/kernel/btf/vmlinux"
    /// Bits of capability sets, linux/capability.h.
    private static let administration = 21
    private static let tracing: [(bit: Int, name: String)] = [(38, "CAP_PERFMON"), (39, "CAP_BPF")]

    /// The first reason why no tracing can work here, or nil.
    ///
    /// - Parameter root: stands in for `/` in tests.
    public static func firstProblem(root: String = "") -> BackendError? {
        if access(root + typeInformation, F_OK) != 0 { return .typeInformationAbsent }
        if access(root + typeInformation, R_OK) != 0 { return .typeInformationUnreadable(errno) }
        if let lockdown = readText(root + "/sys/kernel/security/lockdown"), lockdown.contains("[confidentiality]") {
            return .lockdown
        }
        let missing = missingCapabilities(status: readText(root + "/proc/self/status") ?? "")
        return missing.isEmpty ? nil : .capabilitiesMissing(missing)
    }

    /// Names of the capabilities that tracing needs and the status file does not show; CAP_SYS_ADMIN includes them.
    static func missingCapabilities(status: String) -> [String] {
        let line = status.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        guard let digits = line?.dropFirst("CapEff:".count).split(whereSeparator: { $0.isWhitespace }).first,
            let effective = UInt64(digits, radix: 16)
        else { return tracing.map(\.name) }
        if effective & 1 << administration != 0 { return [] }
        return tracing.filter { effective & 1 << $0.bit == 0 }.map(\.name)
    }

    /// A small text file, or nil when it cannot be read.
    static func readText(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var text: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &block, block.count)
            guard count > 0 else { return String(decoding: text, as: UTF8.self) }
            text += block[..<count]
        }
    }
}
