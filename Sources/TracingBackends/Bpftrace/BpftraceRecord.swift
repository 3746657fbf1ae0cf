/// One line of `bpftrace -f json`.
enum BpftraceRecord: Equatable {
    /// A printf; its text is in the buffer that was passed to `read`.
    case text
    /// A printed value: one, or the elements of a tuple. What is nested in it stays JSON.
    case value([String])
    /// So many events did not fit into the buffers between kernel and bpftrace.
    case lost(UInt64)
    /// A map of one number, printed at the end.
    case map(name: String, value: UInt64)
    /// How many probes the script has; not that they are attached.
    case attachedProbes(UInt64)
    /// A call in the kernel failed, such as `map_delete_elem`.
    case helperError(String)
    /// JSON of another type: maps with keys, histograms, `time()`, `cat()`, and whatever later versions add.
    case other(type: String)
    /// An empty line: there are some before the maps at the end.
    case empty
    /// No JSON, or not as bpftrace writes it.
    case unreadable

    /// Reads a line.
    ///
    /// - Parameter text: overwritten; means something only after `.text`.
    static func read(_ line: UnsafeRawBufferPointer, text: inout [UInt8]) -> BpftraceRecord {
        if let escaped = printed(line) {
            text.removeAll(keepingCapacity: true)
            return JSONText.append(escaped, to: &text) ? .text : .unreadable
        }
        if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }) { return .empty }
        return readObject(line, text: &text) ?? readPlain(line) ?? .unreadable
    }

    /// What both 0.17 and 0.23 write around the text of a printf, byte for byte.
    private static let printPrefix = Array(#"{"type": "printf", "data": ""#.utf8)
    private static let printSuffix = Array(#""}"#.utf8)

    /// The escaped text, if the line is a printf as all known versions write it.
    private static func printed(_ line: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard line.count >= printPrefix.count + printSuffix.count, line.starts(with: printPrefix),
            line.suffix(printSuffix.count).elementsEqual(printSuffix)
        else { return nil }
        return UnsafeRawBufferPointer(rebasing: line[printPrefix.count..<line.count - printSuffix.count])
    }

    // MARK: Everything else

    private static func readObject(_ line: UnsafeRawBufferPointer, text: inout [UInt8]) -> BpftraceRecord? {
        guard let members = members(of: line), let type = members["type"].flatMap(string) else { return nil }
        guard type != "helper_error" else { return .helperError(helperError(members)) }
        guard let data = members["data"] else { return .other(type: type) }
        switch type {
        case "printf":
            var scanner = JSONScanner(data)
            text.removeAll(keepingCapacity: true)
            guard let escaped = scanner.takeString(), JSONText.append(escaped, to: &text) else { return nil }
            return .text
        case "value": return elements(data).map { .value($0) }
        case "lost_events": return number("events", in: data).map { .lost($0) }
        case "attached_probes": return number("probes", in: data).map { .attachedProbes($0) }
        case "map":
            let maps = Self.members(of: data)
            return maps?.first.flatMap { map in whole(map.value).map { .map(name: map.key, value: $0) } }
                ?? .other(type: type)
        default: return .other(type: type)
        }
    }

    /// `Lost 12 events`: the text form, which may come in between.
    private static func readPlain(_ line: UnsafeRawBufferPointer) -> BpftraceRecord? {
        let words = line.prefix(64).split(separator: 0x20)
        guard words.count == 3, words[0].elementsEqual("Lost".utf8), words[2].starts(with: "events".utf8) else {
            return nil
        }
        return whole(UnsafeRawBufferPointer(rebasing: words[1])).map { .lost($0) }
    }

    /// bpftrace writes at most six.
    private static let maxMembers = 16

    /// The members of an object that fills the bytes; values as they are written.
    private static func members(of bytes: UnsafeRawBufferPointer) -> [String: UnsafeRawBufferPointer]? {
        var scanner = JSONScanner(bytes)
        guard scanner.take(UInt8(ascii: "{")) else { return nil }
        var members: [String: UnsafeRawBufferPointer] = [:]
        repeat {
            guard members.count < maxMembers, let name = scanner.takeString().flatMap(unescaped),
                scanner.take(UInt8(ascii: ":")), let value = scanner.takeValue()
            else { return nil }
            members[name] = value
        } while scanner.take(UInt8(ascii: ","))
        return scanner.take(UInt8(ascii: "}")) && scanner.peek() == nil ? members : nil
    }

    /// Of a tuple; each element takes 8 bytes of the 512 that a program's stack has.
    private static let maxElements = 64

    /// The elements of an array as texts, or the one text that the value is.
    private static func elements(_ bytes: UnsafeRawBufferPointer) -> [String]? {
        var scanner = JSONScanner(bytes)
        guard scanner.take(UInt8(ascii: "[")) else { return plain(bytes).map { [$0] } }
        if scanner.take(UInt8(ascii: "]")) { return [] }
        var elements: [String] = []
        repeat {
            guard elements.count < maxElements, let element = scanner.takeValue().flatMap(plain) else { return nil }
            elements.append(element)
        } while scanner.take(UInt8(ascii: ","))
        return scanner.take(UInt8(ascii: "]")) ? elements : nil
    }

    /// `"msg"` is in newer versions only.
    private static func helperError(_ members: [String: UnsafeRawBufferPointer]) -> String {
        let helper = members["helper"].flatMap(plain) ?? "a helper"
        let line = members["line"].flatMap(plain).map { " in line \($0)" } ?? ""
        let reason = members["msg"].flatMap(plain) ?? members["retcode"].flatMap(plain).map { "returned \($0)" }
        return "\(helper) failed\(line)" + (reason.map { ": \($0)" } ?? "")
    }

    private static func number(_ name: String, in object: UnsafeRawBufferPointer) -> UInt64? {
        members(of: object)?[name].flatMap(whole)
    }

    private static func whole(_ bytes: UnsafeRawBufferPointer) -> UInt64? {
        UInt64(String(decoding: bytes.prefix(24), as: UTF8.self))
    }

    /// A string without its quotes and escapes; another value as it is.
    private static func plain(_ value: UnsafeRawBufferPointer) -> String? {
        value.first == .quote ? string(value) : String(decoding: value, as: UTF8.self)
    }

    private static func string(_ value: UnsafeRawBufferPointer) -> String? {
        var scanner = JSONScanner(value)
        return scanner.takeString().flatMap(unescaped)
    }

    private static func unescaped(_ bytes: UnsafeRawBufferPointer) -> String? {
        var text: [UInt8] = []
        return JSONText.append(bytes, to: &text) ? String(decoding: text, as: UTF8.self) : nil
    }
}
