import Glibc

/// The one clock of all records and deadlines: it runs on while the machine sleeps, and the kernel's events carry it.
public func boottimeNanoseconds() -> UInt64 { nanoseconds(CLOCK_BOOTTIME) }

/// What systemd wants with RELOADING=1.
func monotonicMicroseconds() -> UInt64 { nanoseconds(CLOCK_MONOTONIC) / 1000 }

/// CLOCK_REALTIME minus CLOCK_BOOTTIME, to show a record's time to a person.
func realtimeOffsetNanoseconds() -> UInt64 { nanoseconds(CLOCK_REALTIME) &- nanoseconds(CLOCK_BOOTTIME) }

/// For people and for other machines, since 1970; no deadline goes by it.
func realtimeSeconds() -> UInt64 { nanoseconds(CLOCK_REALTIME) / 1_000_000_000 }

private func nanoseconds(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
