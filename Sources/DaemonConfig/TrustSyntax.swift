import AnomalyModel

extension Syntax {
    /// Values that are separated by blanks, each once; no two of them may have the same text.
    static func list<Element>(_ element: Syntax<Element>, atMost maximum: Int) -> Syntax where Value == [Element] {
        Syntax(
            parse: { text throws(Complaint) in
                var values: [Element] = []
                var seen: Set<String> = []
                for (word, offset) in words(of: text) {
                    do throws(Complaint) {
                        if values.count == maximum { throw Complaint("expected at most \(maximum) entries") }
                        if word.utf8.contains(UInt8(ascii: ",")) {
                            throw Complaint("expected spaces, not commas, between entries, found \(quoted(word))")
                        }
                        let value = try element.parse(word)
                        guard seen.insert(element.text(value)).inserted else {
                            throw Complaint("\(quoted(word)) is listed twice")
                        }
                        values.append(value)
                    } catch {
                        throw Complaint(error.text, offset: offset)
                    }
                }
                return values
            },
            text: { $0.map(element.text).joined(separator: " ") }
        )
    }
}

extension Syntax<[MACPrefix]> {
    static var macPrefixes: Syntax { .list(.macPrefix, atMost: Trust.maximumMACPrefixes) }
}

extension Syntax<MACPrefix> {
    /// A MAC, its first bytes and `*`, or a MAC and the number of bits that decide.
    static var macPrefix: Syntax {
        Syntax(
            parse: { text throws(Complaint) in
                if text.hasSuffix("*") {
                    let whole = text.dropLast().split(separator: ":", omittingEmptySubsequences: false)
                    // What stands before the last colon; the star takes the place of one byte or more.
                    if whole.last == "", whole.count <= 6, let bytes = macBytes(whole.dropLast()) {
                        let length = bytes.count * 8
                        return MACPrefix(bits: number(bytes) << UInt64(48 - length), length: length)
                    }
                } else if let (address, length) = parts(of: text, width: MACPrefix.width),
                    let bits = macAddress(address)?.bits
                {
                    let prefix = MACPrefix(bits: MACPrefix.first(of: bits, length: length), length: length)
                    if prefix.bits == bits { return prefix }
                    throw excess(in: text, prefix)
                }
                throw Complaint(
                    "expected a MAC such as 02:00:5e:00:01:05, or a prefix such as 02:00:5e:* or "
                        + "02:00:5e:00:01:00/44, found \(quoted(text))")
            },
            text: \.description
        )
    }
}

extension Syntax<[IPv4Prefix]> {
    static var ipv4Prefixes: Syntax { .list(.ipv4Prefix, atMost: Trust.maximumAddressPrefixes) }
}

extension Syntax<IPv4Prefix> {
    /// An address, alone or with the number of bits that decide.
    static var ipv4Prefix: Syntax {
        Syntax(
            parse: { text throws(Complaint) in
                if let (address, length) = parts(of: text, width: IPv4Prefix.width),
                    let bits = ipv4Address(address)?.bits
                {
                    let prefix = IPv4Prefix(bits: IPv4Prefix.first(of: bits, length: length), length: length)
                    if prefix.bits == bits { return prefix }
                    throw excess(in: text, prefix)
                }
                throw Complaint(
                    "expected an IPv4 address such as 192.0.2.1, or a prefix such as 192.0.2.0/24, found "
                        + quoted(text))
            },
            text: \.description
        )
    }
}

extension Syntax<[KnownBinding]> {
    static var knownBindings: Syntax { .list(.knownBinding, atMost: Trust.maximumKnownBindings) }
}

extension Syntax<KnownBinding> {
    /// `IP=MAC`.
    static var knownBinding: Syntax {
        Syntax(
            parse: { text throws(Complaint) in
                let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard let address = parts.first.flatMap(ipv4Address) else {
                    throw Complaint("expected IP=MAC, as in 192.0.2.1=02:00:00:00:00:01, found \(quoted(text))")
                }
                guard parts.count == 2 else {
                    throw Complaint("\(quoted(text)) needs a MAC, as in \(address)=02:00:00:00:00:01")
                }
                guard let mac = macAddress(parts[1]) else {
                    throw Complaint(
                        "expected a MAC such as 02:00:00:00:00:01 after '\(address)=', found "
                            + quoted(String(parts[1])))
                }
                return KnownBinding(address: address, mac: mac)
            },
            text: \.description
        )
    }
}

extension Syntax<[InterfaceGlob]> {
    static var interfaceGlobs: Syntax { .list(.interfaceGlob, atMost: Trust.maximumInterfaceGlobs) }
}

extension Syntax<InterfaceGlob> {
    /// A pattern of interface names.
    static var interfaceGlob: Syntax {
        Syntax(
            parse: { text throws(Complaint) in try InterfaceGlob(text) },
            text: \.text
        )
    }
}

private func excess(in text: String, _ prefix: some AddressPrefix & CustomStringConvertible) -> Complaint {
    Complaint("\(quoted(text)) has bits set beyond its prefix, did you mean '\(prefix)'?")
}

/// An address and the number of its bits that decide: all of them, unless a slash says how many.
private func parts(of text: String, width: Int) -> (address: Substring, length: Int)? {
    guard let slash = text.firstIndex(of: "/") else { return (text[...], width) }
    guard let length = decimal(text[text.index(after: slash)...]), length <= width else { return nil }
    return (text[..<slash], length)
}

private func macAddress(_ text: Substring) -> MACAddress? {
    guard let bytes = macBytes(text.split(separator: ":", omittingEmptySubsequences: false)[...]), bytes.count == 6
    else {
        return nil
    }
    return MACAddress(bits: number(bytes))
}

/// Bytes of two hex digits each.
private func macBytes(_ words: ArraySlice<Substring>) -> [UInt64]? {
    let bytes = words.compactMap { word in
        word.utf8.count == 2 && word.allSatisfy(\.isHexDigit) ? UInt64(word, radix: 16) : nil
    }
    return bytes.count == words.count ? bytes : nil
}

/// Four decimal numbers without leading zeros, which some programs take for octal.
private func ipv4Address(_ text: Substring) -> IPv4Address? {
    let words = text.split(separator: ".", omittingEmptySubsequences: false)
    let bytes = words.compactMap(decimal).filter { $0 <= 255 }
    guard words.count == 4, bytes.count == 4 else { return nil }
    return IPv4Address(bits: UInt32(number(bytes.map(UInt64.init))))
}

/// At most three digits without a leading zero.
private func decimal(_ text: Substring) -> Int? {
    let isCanonical = (1...3).contains(text.utf8.count) && (text.first != "0" || text.utf8.count == 1)
    return isCanonical && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        ? Int(text) : nil
}

/// Bytes as one number, first byte highest.
private func number(_ bytes: [UInt64]) -> UInt64 { bytes.reduce(0) { $0 << 8 | $1 } }
