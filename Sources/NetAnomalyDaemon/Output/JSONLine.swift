import AnomalyModel

/// One record as one line of JSON (RFC 8259): the journal's field names in order, every value a string.
enum JSONLine {
    /// Appends the object and a newline.
    static func append(_ record: Record, to bytes: inout [UInt8]) {
        var separator = UInt8(ascii: "{")
        for field in record.fields {
            bytes.append(separator)
            append(field.name, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            append(field.value, to: &bytes)
            separator = UInt8(ascii: ",")
        }
        bytes.append(contentsOf: "}\n".utf8)
    }

    /// Appends a string with its quotes.
    static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(contentsOf: [UInt8(ascii: "\\"), byte])
            case UInt8(ascii: "\n"): bytes.append(contentsOf: "\\n".utf8)
            case 0..<0x20, 0x7f: bytes.append(contentsOf: ("\\u00" + hexByte(byte)).utf8)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
