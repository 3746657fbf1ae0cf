import DaemonConfig
import EventPipeline
import Glibc

/// `[Metrics] TextFile=`.
extension Daemon {
    var metricsDeadline: UInt64? { metrics.nextDeadline(configuration.metrics) }

    /// Writes the file if it is due, with nothing in it that a kill could take back: what it tells is committed.
    func writeMetrics(now: UInt64) {
        guard let due = metricsDeadline, due <= now, let path = configuration.metrics.textFile else { return }
        sources.forEach { $0.drain(now: now) }
        deliver(now: now)
        watchOutput()
        if let notice = metrics.write(metricsText(isRunning: true), to: path, now: now) { write(notice) }
    }

    /// Leaves a last file behind, when nothing is counted any more.
    func writeLastMetrics() {
        guard let path = configuration.metrics.textFile else { return }
        let notice = metrics.write(metricsText(isRunning: false), to: path, now: boottimeNanoseconds())
        // The last entry is written already.
        if let notice { Console.error(notice.message) }
    }

    private func metricsText(isRunning: Bool) -> String {
        MetricsReport(
            status: statusReport, reloads: metrics.reloads, startedSeconds: metrics.startedSeconds,
            isRunning: isRunning
        ).families.text
    }
}
