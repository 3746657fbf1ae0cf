import AnomalyModel
import Glibc

@testable import SystemdProtocols

/// Why an entry is not in journald's native protocol.
enum DecodeError: Error {
    case unknownName(String)
    case truncated
    case noFinalNewline
    case notUTF8
}

/// Reads an entry as journald does (journald-native.c), but forgives nothing.
func decodeEntry(_ bytes: [UInt8]) throws -> [Field] {
    var fields: [Field] = []
    var rest = bytes[...]
    while !rest.isEmpty {
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { throw DecodeError.noFinalNewline }
        let line = rest[..<end]
        rest = rest[(end + 1)...]
        var value: ArraySlice<UInt8>
        var name = line
        if let equals = line.firstIndex(of: UInt8(ascii: "=")) {
            name = line[..<equals]
            value = line[(equals + 1)...]
        } else {
            guard rest.count >= 8 else { throw DecodeError.truncated }
            let length = rest.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            rest = rest.dropFirst(8)
            guard rest.count > length else { throw DecodeError.truncated }
            value = rest.prefix(Int(length))
            rest = rest.dropFirst(Int(length))
            guard rest.first == UInt8(ascii: "\n") else { throw DecodeError.noFinalNewline }
            rest = rest.dropFirst()
        }
        guard let text = String(validating: value, as: UTF8.self) else { throw DecodeError.notUTF8 }
        let word = String(decoding: name, as: UTF8.self)
        if let known = FieldName(rawValue: word) {
            fields.append(Field(known, text))
        } else if word.hasPrefix(FieldName.scriptPrefix) {
            fields.append(Field(scriptKey: word.dropFirst(FieldName.scriptPrefix.count).lowercased(), text))
        } else {
            throw DecodeError.unknownName(word)
        }
    }
    return fields
}

/// The same numbers on every run (Knuth's MMIX generator).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 32
    }
}

let conflict = RuleName("arp-address-conflict")

/// A record with a number to recognise it by.
func record(
    _ number: Int, rule: RuleName = conflict, also: [RuleName] = [], events: UInt64 = 1, priority: Priority = .warning,
    padding: Int = 0
) -> Record {
    Record(
        rule: rule, also: also, events: events, priority: priority,
        fields: [
            Field(.message, "event " + String(repeating: "x", count: padding)), Field(.sequence, String(number)),
        ])
}

/// A directory that goes when its owner does.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var template = Array("/tmp/netanomalyd-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw DecodeError.truncated }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        unlink(path + "/socket")
        rmdir(path)
    }
}

extension RecordTransport {
    /// Sends bytes that are in no queue.
    func send(_ bytes: [UInt8]) throws -> SendOutcome {
        let memory = try StateMemory()
        return bytes.withUnsafeBytes { send(memory.outgoing($0, receipt: 0)) }
    }
}

extension RecordQueue {
    /// A queue that no other process goes on with.
    init(transport: any RecordTransport) throws {
        self.init(transport: transport, memory: try StateMemory())
    }
}

/// The receiving end of the journal: a real datagram socket bound to a path.
final class Receiver {
    private let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: 256 * 1024)

    /// Replaces what is at the path.
    init(path: String) {
        unlink(path)
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        precondition(result == 0, "cannot bind \(path)")
    }

    deinit { close(descriptor) }

    /// The next datagram; nil if none waits.
    func receive() -> [UInt8]? {
        let count = buffer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
        return count < 0 ? nil : Array(buffer[..<count])
    }

    /// The numbers of all records that wait.
    func receiveNumbers(atMost limit: Int = .max) throws -> [Int] {
        var numbers: [Int] = []
        while numbers.count < limit, let bytes = receive() {
            let number = try decodeEntry(bytes).first { $0.name == FieldName.sequence.rawValue }
            numbers.append(number.flatMap { Int($0.value) } ?? -1)
        }
        return numbers
    }
}

/// True if poll(2) finds the descriptor writable now.
func isWritable(_ descriptor: Int32) -> Bool {
    var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    return poll(&request, 1, 0) == 1 && request.revents & Int16(POLLOUT) != 0
}
