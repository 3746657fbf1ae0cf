import AnomalyModel
import EventPipeline
import Testing

@Suite struct RateLimiterTests {
    private func limiter(interval: UInt64, burst: UInt32) -> RateLimiter {
        RateLimiter(settings: GateSettings(common: limits(dedup: 0, interval: interval, burst: burst), maxKeys: 1))
    }

    @Test func `a burst passes at once and not one more`() {
        var limiter = limiter(interval: 10, burst: 5)
        let passed = (0..<20).filter { _ in limiter.admit(conflict.name, now: 77) }
        #expect(passed == Array(0..<5))
    }

    @Test func `after a burst one passes exactly every interval by burst`() {
        var limiter = limiter(interval: 10, burst: 5)
        let start = seconds(100)
        for _ in 0..<5 { #expect(limiter.admit(conflict.name, now: start) == true) }
        #expect(limiter.admit(conflict.name, now: start + seconds(2) - 1) == false)
        #expect(limiter.admit(conflict.name, now: start + seconds(2)) == true)
        #expect(limiter.admit(conflict.name, now: start + seconds(4) - 1) == false)
        #expect(limiter.admit(conflict.name, now: start + seconds(4)) == true)
    }

    @Test func `a quiet interval gives the whole burst back and no more`() {
        var limiter = limiter(interval: 10, burst: 5)
        for _ in 0..<5 { #expect(limiter.admit(conflict.name, now: 0) == true) }
        let passed = (0..<20).filter { _ in limiter.admit(conflict.name, now: seconds(1000)) }
        #expect(passed.count == 5)
    }

    @Test func `a burst of one keeps its distance`() {
        var limiter = limiter(interval: 10, burst: 1)
        #expect(limiter.admit(conflict.name, now: 0) == true)
        #expect(limiter.admit(conflict.name, now: seconds(10) - 1) == false)
        #expect(limiter.admit(conflict.name, now: seconds(10)) == true)
    }

    @Test func `an indivisible rate is never exceeded`() {
        var limiter = limiter(interval: 1, burst: 7)
        var passed = 0
        for step in 0..<100_000 where limiter.admit(conflict.name, now: UInt64(step) * 1_000_000) { passed += 1 }
        #expect(passed <= 7 + 7 * 100)
        #expect(passed >= 7 * 99)
    }

    @Test func `one rule cannot use up another's rate`() {
        var limiter = limiter(interval: 10, burst: 1)
        #expect(limiter.admit(conflict.name, now: 0) == true)
        #expect(limiter.admit(conflict.name, now: 0) == false)
        #expect(limiter.admit(tinySize.name, now: 0) == true)
    }

    @Test(arguments: [limits(dedup: 0, interval: 0, burst: 5), limits(dedup: 0, interval: 5, burst: 0)])
    func `zero switches the limit off`(_ off: RuleLimits) {
        var limiter = RateLimiter(settings: GateSettings(common: off, maxKeys: 1))
        #expect((0..<1000).allSatisfy { _ in limiter.admit(conflict.name, now: 0) })
    }

    @Test func `new settings keep what was used up`() {
        var limiter = limiter(interval: 10, burst: 5)
        for _ in 0..<5 { #expect(limiter.admit(conflict.name, now: 0) == true) }
        limiter.settings.common.rateLimitBurst = 4
        #expect(limiter.admit(conflict.name, now: 0) == false)
    }

    @Test func `a debt of hours does not outlive shorter settings`() {
        var limiter = limiter(interval: 36_000, burst: 2)
        for _ in 0..<2 { #expect(limiter.admit(conflict.name, now: 0) == true) }
        limiter.settings.common.rateLimitIntervalNanoseconds = seconds(10)
        #expect(limiter.admit(conflict.name, now: seconds(1)) == false)
        #expect(limiter.admit(conflict.name, now: seconds(6) - 1) == false)
        #expect(limiter.admit(conflict.name, now: seconds(6)) == true)
    }

    @Test func `extreme settings do not overflow`() {
        let extreme = RuleLimits(
            dedupIntervalNanoseconds: .max, rateLimitIntervalNanoseconds: .max, rateLimitBurst: .max)
        var limiter = RateLimiter(settings: GateSettings(common: extreme, maxKeys: 1))
        #expect(limiter.admit(conflict.name, now: .max - 1) == true)
        #expect(limiter.admit(conflict.name, now: .max) == true)
    }
}
