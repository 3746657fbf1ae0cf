import CLinux
import Glibc

/// What bpftrace's last words mean, for a child that ended before it was ready.
struct BpftraceComplaint {
    /// What decides between two meanings of the same words.
    struct Surroundings {
        /// The kernel publishes its types.
        var hasTypes: Bool
        /// CAP_SYS_ADMIN, without which 0.17 does not read them.
        var hasAdministration: Bool
        /// CAP_BPF or CAP_SYS_ADMIN.
        var hasBPF: Bool

        /// Those of this process.
        static var current: Surroundings {
            let isAdministrator = na_has_capability(UInt32(CAP_SYS_ADMIN)) != 0
            return Surroundings(
                hasTypes: access("/sys/kernel/btf/vmlinux", R_OK) == 0, hasAdministration: isAdministrator,
                hasBPF: isAdministrator || na_has_capability(UInt32(CAP_BPF)) != 0)
        }
    }

    /// How the script is called in bpftrace's messages.
    private static let scriptPrefix = BpftraceChild.scriptPath + ":"

    let lines: [String]
    let surroundings: Surroundings

    /// The failure that the words tell of; nil if they are none that are known.
    var failure: BpftraceFailure? {
        if contains("only supports running as the root user") { return .notPermitted(missing: "not being root") }
        if !surroundings.hasBPF, contains("Operation not permitted") || contains("object load failure") {
            return .notPermitted(missing: "lacking CAP_BPF")
        }
        if let failure = missingTypes { return failure }
        return located ?? unlocated
    }

    /// The words that say most, for a failure that is not known.
    var text: String {
        let errors = lines.filter { $0.contains("ERROR: ") || $0.contains("FATAL: ") || $0.contains("error: ") }
        let line = errors.first ?? lines.last ?? ""
        return line.hasPrefix("ERROR: ") ? String(line.dropFirst("ERROR: ".count)) : line
    }

    private func contains(_ words: String) -> Bool { lines.contains { $0.contains(words) } }

    /// With no access to the types every structure is unknown, and header files are looked for.
    private var missingTypes: BpftraceFailure? {
        guard contains("'linux/types.h' file not found") || contains("Unknown struct/union: ") else { return nil }
        if !surroundings.hasTypes { return .typesUnavailable }
        if !surroundings.hasAdministration {
            return .notPermitted(missing: "lacking CAP_SYS_ADMIN to read the kernel's types")
        }
        return contains("'linux/types.h' file not found") ? .typesUnavailable : nil
    }

    // MARK: Errors with a place

    /// `FILE:2:33-35: ERROR: text`, or `FILE:1-2: ERROR: text` for several lines.
    private var located: BpftraceFailure? {
        for (index, line) in lines.enumerated() where line.hasPrefix(Self.scriptPrefix) {
            let rest = line.dropFirst(Self.scriptPrefix.count)
            guard let mark = rest.firstRange(of: ": ERROR: ") else { continue }
            let place = rest[..<mark.lowerBound].split(separator: ":").compactMap { Self.range($0) }
            guard let line = place.first?.lowerBound else { continue }
            let columns = place.count > 1 ? place[1] : nil
            let echo = index + 1 < lines.count ? lines[index + 1] : ""
            let text = String(rest[mark.upperBound...])
            return missing(text, source: columns.map { Self.part(of: echo, columns: $0) } ?? "")
                ?? .script(line: line, column: columns?.lowerBound, text: text)
        }
        return nil
    }

    /// What this kernel lacks, if the text says that.
    private func missing(_ text: String, source: String) -> BpftraceFailure? {
        let names = text.split(separator: "'", omittingEmptySubsequences: false).map(String.init)
        if text.hasPrefix("tracepoint not found: ") {
            return .probeMissing("tracepoint:" + text.dropFirst("tracepoint not found: ".count))
        }
        if text.hasSuffix("not available for your kernel version."), !source.isEmpty { return .probeMissing(source) }
        if text.contains("does not contain a field named"), names.count > 3 {
            return .fieldMissing(field: names[3], structure: names[1])
        }
        if text.hasPrefix("Unknown struct/union: "), names.count > 1 { return .structureMissing(names[1]) }
        if text.hasPrefix("Cannot resolve unknown type \"") {
            return .structureMissing(String(text.split(separator: "\"").last ?? ""))
        }
        return nil
    }

    /// `33-35` or `33`.
    private static func range(_ text: Substring) -> ClosedRange<Int>? {
        let numbers = text.split(separator: "-").map { Int($0) }
        guard let first = numbers.first ?? nil, let last = numbers.last ?? nil, first <= last else { return nil }
        return first...last
    }

    /// The first word of the script that an error is about.
    private static func part(of line: String, columns: ClosedRange<Int>) -> String {
        let characters = line.dropFirst(columns.lowerBound - 1).prefix(columns.count)
        return String(characters.split(separator: " ").first ?? "")
    }

    // MARK: Errors without a place

    private static let attachError = "ERROR: Error attaching probe: "
    private static let loadErrors = ["ERROR: Error loading program: ", "ERROR: Error loading BPF program for "]

    private var unlocated: BpftraceFailure? {
        for line in lines {
            if line.hasPrefix(Self.attachError) {
                return .probeMissing(line.dropFirst(Self.attachError.count).filter { $0 != "'" })
            }
            for error in Self.loadErrors where line.hasPrefix(error) {
                let name = line.dropFirst(error.count).prefix { $0 != " " }
                return .programRefused(String(name.hasSuffix(".") ? name.dropLast() : name))
            }
        }
        return nil
    }
}
