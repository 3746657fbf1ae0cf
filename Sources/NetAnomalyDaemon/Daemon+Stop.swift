import AnomalyModel
import Glibc
import SystemdProtocols

/// The end: nothing that was seen is left behind without being written or counted.
extension Daemon {
    /// How long a stop waits for a slow output before it gives up what waits.
    private static let stopNanoseconds: UInt64 = 5_000_000_000
    /// How long bpftrace may take to drain its buffers and end, which it does within half a second.
    private static let lastWordsNanoseconds: UInt64 = 3_000_000_000
    /// Records that may wait before more are made: half the queue, so that no portion overflows it.
    private static let waitingMax = 2048

    func stop(by signal: Int32) -> ExitStatus {
        let goesOn = continuity.isKept && !DescriptorStore.isStoppedForGood
        notifier.stopping(status: "Stopping: fetching the last events")
        control = nil
        if goesOn {
            pause()
        } else {
            stop(sources, patience: Self.catchUpNanoseconds, lastWords: Self.lastWordsNanoseconds)
        }
        let deadline = boottimeNanoseconds() + Self.stopNanoseconds
        for summary in path.takeAllSummaries() {
            path.write(summary, now: boottimeNanoseconds())
            letOutputCatchUp(until: deadline)
        }
        account(period: "From start to stop")
        write(Notices.stopped(reason: signal == SIGTERM ? "SIGTERM" : "interrupted", goesOn: goesOn))
        letOutputCatchUp(until: deadline, waiting: 0)
        // What waits is in the state, which the next process finds.
        if !goesOn { path.abandon(now: boottimeNanoseconds()) }
        writeLastMetrics()
        reportUnsent()
        return .success
    }

    /// Leaves the kernel's programs on their hooks: they watch on until the next process takes over.
    private func pause() {
        let runners = sources.compactMap { $0 as? DetectorRunner }
        let others = sources.filter { !($0 is DetectorRunner) }
        stop(others, patience: Self.catchUpNanoseconds, lastWords: Self.lastWordsNanoseconds)
        let deadline = boottimeNanoseconds() + Self.catchUpNanoseconds
        for runner in runners { runner.pause { letOutputCatchUp(until: deadline) } }
    }

    /// Waits for the output while more than `waiting` records are queued, and for nothing else: a signal that comes
    /// meanwhile is still there for the loop.
    func letOutputCatchUp(until deadline: UInt64, waiting: Int = waitingMax) {
        deliver(now: boottimeNanoseconds())
        while path.output.waiting > waiting, boottimeNanoseconds() < deadline {
            EventLoop.waitWritable(
                path.output.wantsWritable ? path.output.descriptor : nil,
                until: min(deadline, path.output.nextRetry ?? deadline), now: boottimeNanoseconds())
            deliver(now: boottimeNanoseconds())
        }
    }

    func stopWithoutReader() -> ExitStatus {
        stop(sources, patience: 0, lastWords: Self.lastWordsNanoseconds)
        writeLastMetrics()
        Console.error("The reader of the output has gone; stopping. The balance is: \(Notices.sentence(books.total))")
        return .failure
    }

    /// What could not be written goes to stderr: the last place left.
    private func reportUnsent() {
        let lost = path.output.losses[.unsentAtStop] ?? 0
        guard lost > 0 else { return }
        let balance = Notices.sentence(books.total)
        Console.error("\(lost) entries could not be written before the stop; the balance is: \(balance)")
    }
}
