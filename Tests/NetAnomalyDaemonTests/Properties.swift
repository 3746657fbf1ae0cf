import AnomalyModel
import CDetectorEvents
import DaemonConfig
import Detectors

@testable import SystemdProtocols
@testable import TracingBackends

/// What must hold for every input there is: `CorpusTests` replays known ones, Tests/Fuzz/run looks for others.
enum Property: String, CaseIterable {
    /// Any file is a configuration or a list of problems with their places.
    case configuration
    /// Any ring record is an anomaly in safe text or an error.
    case records
    /// Anything that a script prints is a report in safe text, an error, or for people.
    case reports
    /// Any fields come out of the journal's protocol as they went in.
    case entries
    /// Any output of bpftrace comes in the same records however it is cut, and any printed bytes come as they were.
    case bpftrace
    /// Any line of our scripts is events in safe text, or none of theirs.
    case sights
    /// Any state and any waiting records are gone on with, and come out again as they were, or are a problem in words.
    case state

    /// What is wrong with how the input was taken; nil if nothing is.
    func violation(by input: [UInt8]) -> String? {
        switch self {
        case .configuration: Self.configuration(input)
        case .records: Self.records(input)
        case .reports: Self.reports(input)
        case .entries: Self.entries(input)
        case .bpftrace: Self.bpftrace(input)
        case .sights: Self.sights(input)
        case .state: Self.state(input)
        }
    }

    // MARK: Configuration

    private static func configuration(_ input: [UInt8]) -> String? {
        do throws(ConfigurationErrors) {
            let read = try Configuration(
                sources: [ConfigurationSource(path: "input", bytes: input)], rules: allRules)
            let dump = ConfigurationSource(path: "dump", bytes: Array(read.dump.utf8))
            return try Configuration(sources: [dump], rules: allRules) == read ? nil : "the dump says something else"
        } catch {
            let lengths = input.split(separator: 10, omittingEmptySubsequences: false).map(\.count)
            let isOutside = error.problems.contains { problem in
                problem.file != "input" || !(1...lengths.count).contains(problem.line)
                    || !(1...lengths[problem.line - 1] + 1).contains(problem.column)
            }
            if error.problems.isEmpty || isOutside { return "a problem has no place in the file: \(error)" }
            return error.problems.allSatisfy { isSafe($0.description) } ? nil : "a problem's text is not safe"
        }
    }

    // MARK: Records

    /// The first byte chooses what the rest is: bit 0 the detector, bit 1 a summary, bit 2 the size as it is.
    private static func records(_ input: [UInt8]) -> String? {
        guard let choice = input.first else { return nil }
        let detector = allDetectors[Int(choice & 1)]
        let eventSize = choice & 1 == 0 ? MemoryLayout<arp_event>.size : MemoryLayout<gso_event>.size
        let size = choice & 2 == 0 ? eventSize : MemoryLayout<na_event_head>.size
        var record = Array(input.dropFirst())
        if choice & 4 == 0 {
            record = Array(record.prefix(size))
            record += [UInt8](repeating: 0, count: size - record.count)
        }
        guard let anomaly = try? record.withUnsafeBytes({ try detector.decode($0) }) else { return nil }
        let texts = [anomaly.message, anomaly.command, anomaly.interfaceName ?? "", anomaly.controlGroup ?? ""]
        if anomaly.message.isEmpty || anomaly.fields.contains(where: \.value.isEmpty) { return "an empty text" }
        if !(texts + anomaly.fields.map(\.value)).allSatisfy(isSafe) { return "an unsafe text: \(anomaly)" }
        return anomaly.stack.count <= NA_STACK_MAX ? nil : "a stack of \(anomaly.stack.count) frames"
    }

    // MARK: Reports

    /// The first byte chooses what the rest is: bit 0 a tuple whose elements end at 0x1f, else a text.
    private static func reports(_ input: [UInt8]) -> String? {
        guard let choice = input.first else { return nil }
        let rest = input.dropFirst()
        let elements = rest.split(separator: 0x1f, omittingEmptySubsequences: false)
        let report: ScriptReport?
        do throws(UnreadableReport) {
            report =
                choice & 1 == 0
                ? try ScriptReport(text: Array(rest))
                : try ScriptReport(tuple: elements.map { String(decoding: $0, as: UTF8.self) })
        } catch {
            return isSafe(error.description) ? nil : "an unsafe problem: \(error)"
        }
        guard let report else { return nil }
        var rules = ScriptRules(name: "tcp", priority: .notice, keyFields: choice & 2 == 0 ? nil : ["pid", "x"])
        guard let anomaly = try? rules.anomaly(report, now: 1000) else { return nil }
        let texts = [anomaly.message, anomaly.command, anomaly.interfaceName ?? ""] + anomaly.frames
        if anomaly.message.isEmpty || anomaly.fields.contains(where: \.value.isEmpty) { return "an empty text" }
        if !(texts + anomaly.fields.map(\.value)).allSatisfy(isSafe) { return "an unsafe text: \(anomaly)" }
        let names = anomaly.fields.map(\.name)
        let isEachName = names.allSatisfy { $0.hasPrefix(FieldName.scriptPrefix) && $0.utf8.count <= 64 }
        if !isEachName || Set(names).count != names.count || names.count > ScriptReport.maximumFacts {
            return "fields \(names)"
        }
        return anomaly.rule.name.text.hasPrefix("tcp") && anomaly.boottimeNanoseconds <= 1000 ? nil : "\(anomaly)"
    }

    // MARK: Sights

    /// Bit 0 of the first byte chooses the detector; the rest is a line of its script.
    private static func sights(_ input: [UInt8]) -> String? {
        guard let choice = input.first, let detector = allDetectors[Int(choice & 1)] as? any BpftraceDetector.Type
        else { return nil }
        return sight(detector, Array(input.dropFirst()))
    }

    /// Judged twice, because what was seen before is remembered.
    private static func sight<D: BpftraceDetector>(_ detector: D.Type, _ line: [UInt8]) -> String? {
        guard let judge = HostJudge(memoryEntries: 1024, cpus: 2, seed: 1) else { return "no memory" }
        for number in D.rules.indices { judge.set(rule: number, isEnabled: true, threshold: 1) }
        var reader = SightReader(line)
        guard let sight = D.sight(&reader) else { return nil }
        var violation: String?
        for _ in 0..<2 {
            D.judge(sight, by: judge) { event in violation = violation ?? Self.event(event, reader.stack, of: detector)
            }
        }
        return violation
    }

    private static func event<D: BpftraceDetector>(_ event: D.Event, _ stack: StackText, of: D.Type) -> String? {
        guard let identity = D.identity(of: event), let anomaly = try? D.anomaly(of: event, stack: stack) else {
            return "an event that cannot be told"
        }
        if identity.key != anomaly.key || identity.also != anomaly.also { return "another identity" }
        let texts = [anomaly.message, anomaly.command, anomaly.interfaceName ?? "", anomaly.masterName ?? ""]
        if anomaly.message.isEmpty || anomaly.fields.contains(where: \.value.isEmpty) { return "an empty text" }
        let all = texts + anomaly.frames + anomaly.fields.map(\.value)
        if !all.allSatisfy(isSafe) { return "an unsafe text: \(anomaly)" }
        return anomaly.frames.count <= NA_STACK_MAX ? nil : "a stack of \(anomaly.frames.count) frames"
    }

    // MARK: State

    /// The text up to the first zero, then what lies at the beginning of the records' area.
    private static func state(_ input: [UInt8]) -> String? {
        guard let memory = try? StateMemory() else { return "no memory" }
        let text = input.prefix { $0 != 0 }
        memory.write(Array(input.dropFirst(text.count + 1)), at: 0)
        var queue = RecordQueue(transport: Nowhere(), memory: memory, isKept: true)
        do throws(StateText.Problem) {
            let read = try StateText(parsing: String(decoding: text, as: UTF8.self))
            for kind in ["account", "decided", "earlier"] { for line in read[kind] { _ = try line.account(1) } }
            _ = try read.amount("sequence")
            try queue.restore(read, now: 1)
        } catch {
            return isSafe(error.description) && !error.description.isEmpty ? nil : "an unsafe problem: \(error)"
        }
        return goesOn(queue, in: memory)
    }

    /// What is wrong with the queue as the next process finds it, and with how it ends.
    private static func goesOn(_ restored: RecordQueue, in memory: StateMemory) -> String? {
        var queue = restored
        var next = RecordQueue(transport: Nowhere(), memory: memory, isKept: true)
        var saved = StateText()
        queue.save(to: &saved)
        guard let again = try? StateText(parsing: saved.text), (try? next.restore(again, now: 1)) != nil else {
            return "what was saved is not read"
        }
        if next.waiting != queue.waiting || next.deliveries != queue.deliveries || next.losses != queue.losses {
            return "another queue"
        }
        let waiting = queue.waiting
        let notice = Record(rule: RuleName("daemon-started"), events: 0, priority: .info, fields: [])
        queue.enqueue(notice, now: 2)
        let taken = queue.losses == next.losses ? 1 : 0
        if queue.waiting != waiting + taken { return "\(queue.waiting) wait, not \(waiting + taken)" }
        while queue.waiting > 0 {
            var state = StateText()
            queue.save(to: &state)
            if !queue.commit(state.text) { return "no room for the state" }
            queue.flush(now: 3)
        }
        return nil
    }

    /// Takes everything.
    private final class Nowhere: RecordTransport {
        let descriptor: Int32 = -1

        func encode(_ record: Record, into bytes: inout [UInt8]) { bytes.append(0x41) }
        func send(_ record: OutgoingRecord) -> SendOutcome { .sent }
    }

    private static func isSafe(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) }
    }

    // MARK: bpftrace

    /// The first byte is the size of the pieces; bit 7 makes all lines but the shortest too long.
    private static func bpftrace(_ input: [UInt8]) -> String? {
        guard let choice = input.first else { return nil }
        let output = Array(input.dropFirst())
        let limit = choice & 0x80 == 0 ? BpftraceSession.maxLineBytes : 16
        let whole = records(output, pieces: max(1, output.count), limit: limit)
        let cut = records(output, pieces: 1 + Int(choice & 0x7f), limit: limit)
        if whole != cut { return "other records when cut" }
        var text: [UInt8] = []
        let line = printed(output)
        let record = line.withUnsafeBytes { BpftraceRecord.read($0, text: &text) }
        return record == .text && text == output ? nil : "another text than was printed"
    }

    private static func records(_ output: [UInt8], pieces: Int, limit: Int) -> [String] {
        var splitter = LineSplitter(maxLineBytes: limit)
        var records: [String] = []
        var text: [UInt8] = []
        func take(_ line: UnsafeRawBufferPointer) {
            let record = BpftraceRecord.read(line, text: &text)
            records.append(record == .text ? "\(text)" : "\(record)")
        }
        for start in stride(from: 0, to: output.count, by: pieces) {
            output[start..<min(start + pieces, output.count)].withUnsafeBytes { splitter.feed($0, onLine: take) }
        }
        splitter.end(onLine: take)
        return records + ["\(splitter.oversized)"]
    }

    /// What bpftrace prints for a printf of these bytes.
    private static func printed(_ text: [UInt8]) -> [UInt8] {
        var line = #"{"type": "printf", "data": ""#
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): line += "\\" + String(UnicodeScalar(byte))
            case 0x0a: line += "\\n"
            case 0x20..<0x7f: line += String(UnicodeScalar(byte))
            default:
                let digits = String(byte, radix: 16)
                line += (byte < 0x80 ? "\\u00" : "\\uffffff") + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return Array((line + #""}"#).utf8)
    }

    // MARK: Entries

    /// Each field takes a byte for its name, two for the length of its value in units of 1 or 64 bytes, and the value.
    private static func entries(_ input: [UInt8]) -> String? {
        var fields: [Field] = []
        var rest = input[...]
        while let name = rest.popFirst(), let length = rest.popFirst(), let unit = rest.popFirst() {
            let count = Int(length) * (unit & 1 == 0 ? 1 : 64)
            let value = String(decoding: rest.prefix(Int(length)), as: UTF8.self)
            rest = rest.dropFirst(Int(length))
            let repeated = String(repeating: value, count: max(1, count / max(1, Int(length))))
            fields.append(Field(FieldName.allCases[Int(name) % FieldName.allCases.count], repeated))
        }
        var encoder = JournalEncoder()
        encoder.encode(fields)
        if encoder.bytes.count > JournalEncoder.maxEntryBytes { return "an entry of \(encoder.bytes.count) bytes" }
        guard let read = entry(encoder.bytes) else { return "an entry that cannot be read" }
        let kept = fields.prefix(JournalEncoder.maxFields)
        guard read.map(\.name) == kept.map(\.name) else { return "other names" }
        let isFaithful = zip(read, kept).allSatisfy { read, field in
            read.value == Array(field.value.utf8)
                || String(validating: read.value, as: UTF8.self)?.hasSuffix("(cut, \(field.value.utf8.count) bytes)")
                    ?? false
        }
        return isFaithful ? nil : "other values"
    }

    /// Reads an entry as journald does; nil if it is none.
    private static func entry(_ bytes: [UInt8]) -> [(name: String, value: [UInt8])]? {
        var fields: [(name: String, value: [UInt8])] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let line = rest[..<end]
            rest = rest[(end + 1)...]
            if let equals = line.firstIndex(of: UInt8(ascii: "=")) {
                fields.append((String(decoding: line[..<equals], as: UTF8.self), Array(line[(equals + 1)...])))
                continue
            }
            guard rest.count > 8 else { return nil }
            let length = Int(rest.prefix(8).reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) })
            rest = rest.dropFirst(8)
            guard length < rest.count, rest[rest.startIndex + length] == UInt8(ascii: "\n") else { return nil }
            fields.append((String(decoding: line, as: UTF8.self), Array(rest.prefix(length))))
            rest = rest.dropFirst(length + 1)
        }
        return rest.isEmpty ? fields : nil
    }
}
