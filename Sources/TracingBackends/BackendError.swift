import Glibc

/// Why tracing cannot start, each with its own sentence: what is lost by it and what to do.
public enum BackendError: Error, Equatable, CustomStringConvertible {
    /// The kernel publishes no type information.
    case typeInformationAbsent
    /// It is there but may not be read.
    case typeInformationUnreadable(CInt)
    /// Lockdown in confidentiality mode forbids BPF to read kernel memory.
    case lockdown
    /// The process lacks capabilities.
    case capabilitiesMissing([String])
    /// The capabilities are there, but bpf() is refused all the same.
    case refused
    /// It cannot run the program that every detector needs.
    case kernelTooOld
    /// None of the detector's programs can be loaded.
    case unusable(object: String, reason: String)
    /// A call into libbpf failed that never should.
    case failed(what: String, code: CInt)
    /// The backend that was chosen watches nothing; why is in words.
    case backend(String, isPermission: Bool)

    /// True where another user or unit would succeed: exit status 77.
    public var isPermission: Bool {
        switch self {
        case .capabilitiesMissing, .refused, .lockdown, .typeInformationUnreadable: true
        case .backend(_, let isPermission): isPermission
        default: false
        }
    }

    /// The system's number for the failure, where it is one call's.
    public var code: CInt? { if case .failed(_, let code) = self { code } else { nil } }

    /// The sentence.
    public var description: String {
        switch self {
        case .typeInformationAbsent:
            "This kernel has no type information (/sys/kernel/btf/vmlinux is missing), so nothing can be watched: "
                + "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, as all current distributions ship"
        case .typeInformationUnreadable(let code):
            "Cannot read /sys/kernel/btf/vmlinux (\(errorText(code))), so nothing can be watched: "
                + "check the unit's sandbox or container for a hidden or read-protected /sys"
        case .lockdown:
            "Kernel lockdown is in confidentiality mode, which forbids tracing, so nothing can be watched: "
                + "boot with lockdown=integrity or without it"
        case .capabilitiesMissing(let names):
            "Not permitted to trace: \(names.joined(separator: " and ")) missing, so nothing can be watched: "
                + "run as root, or as netanomalyd.service does"
        case .refused:
            "The kernel refuses bpf() although the capabilities are there, so nothing can be watched: "
                + "a seccomp filter is likely (SystemCallFilter= of the unit, or the container's profile)"
        case .kernelTooOld:
            "This kernel is too old, so nothing can be watched: Linux 5.14 or newer is needed, such as Debian 12 has"
        case .unusable(let object, let reason):
            "No program of \(object) can be loaded, so this detector sees nothing: \(reason)"
        case .failed(let what, let code):
            "\(what): \(errorText(code))"
        case .backend(let reason, _): "\(reason), so nothing can be watched"
        }
    }
}

/// The system's words for an errno value.
func errorText(_ code: CInt) -> String {
    String(cString: strerror(code))
}
