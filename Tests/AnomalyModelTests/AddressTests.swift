import AnomalyModel
import Testing

@Suite struct AddressTests {
    @Test func macPrintsInWireOrder() {
        #expect(MACAddress((0x02, 0x66, 0, 0, 0x0a, 0xff)).description == "02:66:00:00:0a:ff")
        #expect(MACAddress(bits: 0x0266_0000_0aff) == MACAddress((0x02, 0x66, 0, 0, 0x0a, 0xff)))
    }

    @Test func ipv4PrintsDotted() {
        #expect(IPv4Address(networkOrder: UInt32(bigEndian: 0xc000_0201)).description == "192.0.2.1")
    }

    /// RFC 5952: lower case, one `::` for the first longest run of at least two zero groups.
    @Test(arguments: [
        ("20010db8000000000000000000000001", "2001:db8::1"), ("00000000000000000000000000000000", "::"),
        ("20010db8000000010001000100010001", "2001:db8:0:1:1:1:1:1"), ("fe800000000000000000000000000000", "fe80::"),
        ("00010000000000020000000000000003", "1:0:0:2::3"), ("00000000000000000000ffffc0000201", "::ffff:c000:201"),
        ("20010db8000000000001000000000001", "2001:db8::1:0:0:1"),
    ])
    func ipv6PrintsCanonically(_ hex: String, _ text: String) throws {
        let bytes = try stride(from: 0, to: 32, by: 2).map { offset in
            let start = hex.index(hex.startIndex, offsetBy: offset)
            return try #require(UInt8(hex[start..<hex.index(start, offsetBy: 2)], radix: 16))
        }
        #expect(IPv6Address(bytes: bytes).description == text)
    }
}

@Suite struct SafeTextTests {
    @Test(arguments: [
        ("eth0", "eth0"), ("tap-ü", "tap-ü"), ("a\nb", "a\\x0ab"), ("a\u{1b}[31mb", "a\\x1b[31mb"),
        ("back\\slash", "back\\\\slash"), ("\u{9b}31m", "\\xc2\\x9b31m"), ("", ""),
    ])
    func controlBytesBecomeVisible(_ raw: String, _ safe: String) { #expect(safeText(raw.utf8) == safe) }

    @Test func invalidUTF8BecomesHex() { #expect(safeText([0x61, 0xff, 0xfe]) == "a\\xff\\xfe") }

    @Test func endsAtTheFirstZeroByte() { #expect(safeText([0x61, 0, 0x62]) == "a") }
}

@Suite struct RuleAccountTests {
    @Test func whatIsNotSettledIsPending() {
        var account = RuleAccount()
        (account.seen, account.written, account.deduplicated, account.lostRing) = (10, 1, 5, 2)
        #expect(account.pending == 2)
        #expect(!account.isOverdrawn)
        account.lostJournal = 3
        #expect(account.isOverdrawn)
        #expect(account.pending == 0)
    }
}
