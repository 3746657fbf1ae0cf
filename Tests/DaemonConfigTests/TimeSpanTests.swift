import Testing

@testable import DaemonConfig

@Suite struct TimeSpanTests {
    @Test(
        arguments: [
            ("0", 0), ("90", 90_000_000_000), ("1us", 1000), ("1ms", 1_000_000), ("1s", 1_000_000_000),
            ("1sec", 1_000_000_000), ("2 seconds", 2_000_000_000), ("1m", 60_000_000_000), ("1min", 60_000_000_000),
            ("1h", 3_600_000_000_000), ("1hr", 3_600_000_000_000), ("1d", 86_400_000_000_000),
            ("2days", 172_800_000_000_000), ("1min 30s", 90_000_000_000), ("1min30s", 90_000_000_000),
            ("1h\t1", 3_601_000_000_000), ("0.5s", 500_000_000), ("1.25min", 75_000_000_000), ("0.001us", 1),
            ("0.000000001", 1), ("1 1us", 1_000_001_000), ("0.100000000000000000s", 100_000_000),
            ("213503d", 18_446_659_200_000_000_000),
        ] as [(String, UInt64)])
    func spansAreReadInNanoseconds(text: String, nanoseconds: UInt64) throws {
        #expect(try TimeSpan.nanoseconds(text) == nanoseconds)
    }

    @Test(arguments: [
        "", " ", "s", ".5s", "5.", "5.s", "-1", "+1", "1.2.3", "1..2", "s 1", "1s s", "0.0001us", "0.0000000001",
        "0.1000000000000000000s", "1\u{301}s",
    ])
    func otherTextIsNoSpan(text: String) {
        #expect((try? TimeSpan.nanoseconds(text)) == Optional<UInt64>.none)
    }

    @Test(arguments: ["99999999999999999999", "213504d", "213503d 23h 59min", "18446744073.709551616", "1e99s"])
    func aSpanBeyond584YearsIsAsLongAsItGets(text: String) {
        let nanoseconds = try? TimeSpan.nanoseconds(text)
        #expect(text.contains("e") ? nanoseconds == nil : nanoseconds == .max)
    }

    @Test func anUnknownUnitIsNamedWithTheNearest() {
        #expect(throws: Complaint("unknown unit 'mins' in '5 mins', did you mean 'min'?")) {
            try TimeSpan.nanoseconds("5 mins")
        }
        #expect(throws: Complaint("unknown unit 'lightyears' in '1lightyears'")) {
            try TimeSpan.nanoseconds("1lightyears")
        }
    }

    @Test(
        arguments: [
            (0, "0"), (1, "0.001us"), (1010, "1us 0.010us"), (1000, "1us"), (60_000_000_000, "1min"),
            (90_061_001_001_000, "1d 1h 1min 1s 1ms 1us"), (.max, "213503d 23h 34min 33s 709ms 551us 0.615us"),
        ] as [(UInt64, String)])
    func spansAreWrittenAsTheyAreRead(nanoseconds: UInt64, text: String) throws {
        #expect(TimeSpan.text(nanoseconds) == text)
        #expect(try TimeSpan.nanoseconds(text) == nanoseconds)
    }
}
