import AnomalyModel

extension MessageID {
    /// `ead9b351-d0b2-4508-beb2-ce5a9c54f73d`: drawn once, for the rules of scripts.
    private static let scriptNamespace: [UInt8] = [
        0xea, 0xd9, 0xb3, 0x51, 0xd0, 0xb2, 0x45, 0x08,
        0xbe, 0xb2, 0xce, 0x5a, 0x9c, 0x54, 0xf7, 0x3d,
    ]

    /// The ID of a script's rule: a name-based UUID, version 5 (RFC 9562, section 5.5), so always the same for a name.
    ///
    /// IDs of ours are random, version 4: the thirteenth digit tells them apart.
    init(ofScriptRule rule: String) {
        var bytes = Array(sha1(Self.scriptNamespace + Array(rule.utf8)).prefix(16))
        bytes[6] = bytes[6] & 0x0f | 0x50
        bytes[8] = bytes[8] & 0x3f | 0x80
        self.init(bytes.map(hexByte).joined())
    }
}

/// FIPS 180-4, sections 5 and 6.1: 20 bytes.
private func sha1(_ message: [UInt8]) -> [UInt8] {
    var padded = message + [0x80]
    padded += [UInt8](repeating: 0, count: (120 - padded.count % 64) % 64)
    padded += bigEndian(UInt64(message.count) * 8)
    var state: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]
    for start in stride(from: 0, to: padded.count, by: 64) {
        var words = stride(from: start, to: start + 64, by: 4).map { index in
            padded[index..<index + 4].reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
        }
        for index in 16..<80 {
            words.append(rotated(words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], by: 1))
        }
        var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
        for (index, word) in words.enumerated() {
            let (mixed, constant): (UInt32, UInt32) =
                switch index {
                case ..<20: (b & c | ~b & d, 0x5a82_7999)
                case ..<40: (b ^ c ^ d, 0x6ed9_eba1)
                case ..<60: (b & c | b & d | c & d, 0x8f1b_bcdc)
                default: (b ^ c ^ d, 0xca62_c1d6)
                }
            (a, b, c, d, e) = (rotated(a, by: 5) &+ mixed &+ e &+ constant &+ word, a, rotated(b, by: 30), c, d)
        }
        state = zip(state, [a, b, c, d, e]).map { $0 &+ $1 }
    }
    return state.flatMap(bigEndian)
}

private func rotated(_ word: UInt32, by count: UInt32) -> UInt32 { word << count | word >> (32 - count) }

private func bigEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    stride(from: Number.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> $0) }
}
