import Testing

@testable import DaemonConfig

@Suite struct SpellingTests {
    @Test(arguments: [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0), ("ab", "ba", 2)])
    func editDistanceCountsEdits(left: String, right: String, distance: Int) {
        #expect(editDistance(Array(left.utf8), Array(right.utf8)) == distance)
        #expect(editDistance(Array(right.utf8), Array(left.utf8)) == distance)
    }

    @Test func theNearestCandidateIsSuggestedCaseAside() {
        let keys = ["DedupIntervalSec", "RateLimitIntervalSec", "RateLimitBurst", "MaxKeys"]
        #expect(nearest(to: "maxkey", among: keys) == "MaxKeys")
        #expect(nearest(to: "Intervall", among: keys) == "DedupIntervalSec")
        #expect(nearest(to: "RateLimit", among: keys) == "RateLimitBurst")
        #expect(nearest(to: "Colour", among: keys) == nil)
        #expect(nearest(to: String(repeating: "x", count: 100_000), among: keys) == nil)
        #expect(nearest(to: "", among: keys) == nil)
    }

    @Test func quotedTextIsShortAndSafe() {
        #expect(quoted("a\u{1b}[31m") == "'a\\x1b[31m'")
        #expect(quoted(String(repeating: "x", count: 61)) == "'\(String(repeating: "x", count: 60))...'")
        #expect(quoted(String(repeating: "x", count: 60)) == "'\(String(repeating: "x", count: 60))'")
    }
}
