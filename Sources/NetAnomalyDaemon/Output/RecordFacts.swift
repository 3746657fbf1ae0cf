import AnomalyModel

/// A record's fields put into words, line by line; what no line has words for is listed at the end.
struct RecordFacts {
    /// One indented line.
    struct Line {
        var label: String
        var text: String
    }

    /// For machines, or said elsewhere: in the headline, the stack, or the message.
    static let unspoken: Set<FieldName> = [
        .messageID, .priority, .syslogIdentifier, .documentation, .rule, .detector, .backend, .sequence, .boottime,
        .count, .suppressed, .firstBoottime, .lastBoottime, .stack, .seen, .written, .deduplicated, .limited, .overflow,
        .lostRing, .lostJournal, .pending, .version, .detail,
    ]

    private let record: Record
    private var used = Set(RecordFacts.unspoken.map(\.rawValue))

    init(_ record: Record) {
        self.record = record
    }

    /// The value, safe for a terminal; it is then said and not listed again.
    mutating func take(_ name: FieldName) -> String? {
        used.insert(name.rawValue)
        return record[name].map(printable)
    }

    /// All lines that have something to say.
    mutating func lines() -> [Line] {
        let spoken = [
            ("where", place()), ("who", process()), ("arp", arp()), ("frame", frame()), ("was", change()),
            ("gso", gso()), ("flow", flow()), ("drop", drop()), ("bytes", headers()),
        ]
        let rules = balance().map { ("rule", Optional($0)) }
        return (spoken + rules + [("more", rest())]).compactMap { label, text in
            text.map { Line(label: label, text: $0) }
        }
    }

    /// An accounting record's rules, one a line.
    private mutating func balance() -> [String] {
        used.insert(FieldName.balance.rawValue)
        return (record[.balance] ?? "").split(separator: "\n").map { printable(String($0)) }
    }

    private mutating func place() -> String? {
        var parts: [String] = []
        if let name = take(.interfaceName) { parts.append(name) }
        if let index = take(.interfaceIndex) { parts.append("interface \(index)") }
        if let namespace = take(.networkNamespace) { parts.append("netns \(namespace)") }
        switch take(.direction) {
        case "rx": parts.append("received")
        case "tx": parts.append("sent")
        default: break
        }
        let function = take(.function)
        if let probe = take(.probe) {
            parts.append("seen at \(probe)" + (function.map { " in \($0)" } ?? ""))
        }
        return joined(parts)
    }

    private mutating func process() -> String? {
        let command = take(.command)
        let pid = take(.pid).map { "PID \($0)" }
        let group = take(.controlGroup)
        let context = take(.context)
        let name = joined([command, pid].compactMap(\.self))
        switch context {
        case "softirq": return "softirq, PID not meaningful" + (name.map { " (it interrupted \($0))" } ?? "")
        case "idle": return "softirq on an idle CPU, no process"
        default:
            let doubt = context == nil && name != nil ? "not known if it is the cause" : nil
            return joined([name, group, doubt].compactMap(\.self))
        }
    }

    private mutating func arp() -> String? {
        guard let operation = take(.arpOperation) else { return nil }
        let sender = (take(.arpSenderIP) ?? "?", take(.arpSenderMAC) ?? "?")
        let target = (take(.arpTargetIP) ?? "?", take(.arpTargetMAC) ?? "?")
        switch operation {
        case "request":
            let filled = target.1 == "?" || target.1 == "00:00:00:00:00:00" ? "" : " (target MAC \(target.1))"
            return "request: who has \(target.0)? tell \(sender.0) at \(sender.1)\(filled)"
        case "reply":
            return "reply: \(sender.0) is at \(sender.1), told to \(target.0) at \(target.1)"
        default:
            return "operation \(operation): sender \(sender.0) at \(sender.1), target \(target.0) at \(target.1)"
        }
    }

    private mutating func frame() -> String? {
        let source = take(.ethernetSource)
        let destination = take(.ethernetDestination)
        let vlan = take(.vlan).map { "VLAN \($0)" }
        let length = record[.deviceKind] == nil && record[.gsoType] == nil ? take(.length).map { "\($0) bytes" } : nil
        let addresses = source == nil && destination == nil ? nil : "\(source ?? "?") > \(destination ?? "?")"
        return joined([addresses, vlan, length].compactMap(\.self))
    }

    private mutating func change() -> String? {
        let old = [take(.oldMAC), take(.oldNeighbourState)].compactMap(\.self).joined(separator: " ")
        let new = [take(.newMAC), take(.newNeighbourState)].compactMap(\.self).joined(separator: " ")
        if old.isEmpty && new.isEmpty { return nil }
        // With an ARP header the line above has said who.
        let isAlone = record[.arpOperation] == nil
        let neighbour = isAlone ? (take(.arpSenderIP) ?? take(.arpTargetIP)).map { $0 + " " } ?? "" : ""
        return "\(neighbour)\(old.isEmpty ? "?" : old), now \(new.isEmpty ? "?" : new)"
    }

    private mutating func gso() -> String? {
        guard record[.gsoType] != nil || record[.deviceKind] != nil else { return nil }
        let number = take(.gsoType)
        var parts: [String] = []
        if let names = take(.gsoTypeNames) {
            parts.append("type \(names)" + (number.map { " (\($0))" } ?? ""))
        } else if let number {
            parts.append("type \(number)")
        }
        if let size = take(.gsoSize) { parts.append("size \(size)") }
        if let segments = take(.gsoSegments) { parts.append("\(segments) segments") }
        if let length = take(.length) { parts.append("packet of \(length) bytes") }
        if let checksum = take(.checksumState) { parts.append("checksum \(checksum)") }
        if let kind = take(.deviceKind) { parts.append("\(kind) device") }
        if let flags = take(.tunFlags) { parts.append("flags \(flags)") }
        return joined(parts)
    }

    private mutating func flow() -> String? {
        let source = endpoint(take(.l3Source), port: take(.l4SourcePort))
        let destination = endpoint(take(.l3Destination), port: take(.l4DestinationPort))
        let transport = take(.l4Protocol)
        let state = take(.encapsulation)
        let encapsulation = state == "0" ? nil : state == "1" ? "encapsulated" : state
        let ends = source == nil && destination == nil ? nil : "\(source ?? "?") > \(destination ?? "?")"
        let flow = [transport, ends].compactMap(\.self).joined(separator: " ")
        return joined([flow.isEmpty ? nil : flow, encapsulation].compactMap(\.self))
    }

    private func endpoint(_ address: String?, port: String?) -> String? {
        guard let address else { return port.map { "port \($0)" } }
        guard let port else { return address }
        return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }

    private mutating func drop() -> String? {
        let reason = take(.dropReason)
        let location = take(.dropLocation).map { "dropped at \($0)" }
        return joined([reason, location].compactMap(\.self))
    }

    private mutating func headers() -> String? {
        // 32 bytes: an IPv4 header and the ports; the journal has the rest.
        take(.headers).map { $0.utf8.count > 64 ? $0.prefix(64) + "…" : $0 }
    }

    private mutating func rest() -> String? {
        let others = record.fields.filter { !used.contains($0.name) }
        return joined(
            others.map { field in
                let prefix = [FieldName.scriptPrefix, "NETANOMALY_"].first(where: field.name.hasPrefix) ?? ""
                let words = field.name.dropFirst(prefix.count).lowercased().split(separator: "_")
                return words.joined(separator: " ") + " " + printable(field.value)
            })
    }

    private func joined(_ parts: [String]) -> String? {
        parts.isEmpty ? nil : parts.joined(separator: ", ")
    }
}
