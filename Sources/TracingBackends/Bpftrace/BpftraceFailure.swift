import Glibc

/// Why a script does not run, each reason with its own sentence: what is wrong and what to do.
public enum BpftraceFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// There is no bpftrace at this path.
    case notInstalled(path: String)
    /// The system does not let it be run.
    case notExecutable(path: String, code: Int32)
    /// No process could be made just now.
    case cannotStart(code: Int32)
    /// The script's file cannot or must not be read; why is in words.
    case scriptUnavailable(String)
    /// It is older than `BpftraceVersion.oldest`, and fails where a newer one may not.
    case tooOld(BpftraceVersion)
    /// The process lacks what bpftrace needs; `missing` names it.
    case notPermitted(missing: String)
    /// The kernel's types are known neither from BTF nor from header files.
    case typesUnavailable
    /// An error in the script.
    case script(line: Int, column: Int?, text: String)
    /// It refuses the script as a whole, or for a reason that we do not know; its words.
    case scriptRefused(String)
    /// This kernel lacks a hook that the script names.
    case probeMissing(String)
    /// This kernel's structure has no such field.
    case fieldMissing(field: String, structure: String)
    /// This kernel has no such structure.
    case structureMissing(String)
    /// The kernel refuses the program of a probe.
    case programRefused(String)
    /// It ended by itself, with what it said last.
    case ended(status: Int32, text: String)
    /// It crashed while it started, with what it said last.
    case crashed(signal: Int32, text: String)
    /// A signal ended it.
    case killed(signal: Int32)
    /// It was not ready in time.
    case notReady(afterNanoseconds: UInt64)
    /// Its heartbeat stopped.
    case silent(forNanoseconds: UInt64)

    /// True where another try ends the same way: only another script, kernel or system helps, and a reload.
    public var isPermanent: Bool {
        switch self {
        case .cannotStart, .ended, .crashed, .killed, .notReady, .silent: false
        default: true
        }
    }

    /// True if its age could be the reason: newer versions know more of the language and of the kernel.
    var mayComeOfAge: Bool {
        switch self {
        case .script, .scriptRefused, .probeMissing, .fieldMissing, .structureMissing, .programRefused, .ended,
            .crashed:
            true
        default: false
        }
    }

    /// The sentence.
    public var description: String {
        switch self {
        case .notInstalled(let path): "\(path) is not there: install bpftrace, or set BpftracePath="
        case .notExecutable(let path, let code):
            "\(path) cannot be run (\(errorText(code))): check the file, and the unit's sandbox"
        case .cannotStart(let code): "No process for bpftrace can be made (\(errorText(code)))"
        case .scriptUnavailable(let reason): "The script is not run: \(reason)"
        case .tooOld(let version):
            "bpftrace is \(version), too old for the script: \(BpftraceVersion.oldest) or newer is needed"
        case .notPermitted(let missing):
            "bpftrace is not permitted to trace, \(missing): run the daemon as root with CAP_SYS_ADMIN, CAP_BPF and "
                + "CAP_PERFMON, as the drop-in bpftrace.conf does (netanomalyd(8), BACKENDS)"
        case .typesUnavailable:
            "bpftrace finds no types of this kernel: use a kernel with /sys/kernel/btf/vmlinux, or install its headers"
        case .script(let line, let column, let text):
            "The script has an error in line \(line)" + (column.map { ", column \($0)" } ?? "") + ": \(text)"
        case .scriptRefused(let text): "bpftrace refuses the script: \(text)"
        case .probeMissing(let name):
            "This kernel has no \(name): load the module that brings it, or use another probe"
        case .fieldMissing(let field, let structure):
            "\(structure) has no field \(field) in this kernel: change the script"
        case .structureMissing(let name): "This kernel has no \(name): load its module, or change the script"
        case .programRefused(let name):
            "The kernel refuses the program of \(name): `bpftrace -v` with the script says why"
        case .ended(let status, let text):
            "bpftrace ended by itself with status \(status)" + (text.isEmpty ? "" : ": \(text)")
        case .crashed(let signal, let text):
            "bpftrace crashed at its start (\(signalText(signal)))" + (text.isEmpty ? "" : ": \(text)")
        case .killed(let signal): "bpftrace was killed by signal \(signal) (\(signalText(signal)))"
        case .notReady(let nanoseconds): "bpftrace was not ready after \(nanoseconds / 1_000_000_000) s"
        case .silent(let nanoseconds):
            "bpftrace said nothing for \(nanoseconds / 1_000_000_000) s, its heartbeat included, and was killed"
        }
    }
}

/// The system's words for a signal.
private func signalText(_ signal: Int32) -> String {
    strsignal(signal).map { String(cString: $0) } ?? "unknown"
}
