import AnomalyModel
import DaemonConfig
import EventPipeline
import Glibc

/// When the metrics file is due, and what of its trouble has been told.
struct MetricsFile {
    private var lastWritten: UInt64?
    /// What it was last written for: another path is due at once.
    private var lastPath: String?
    private var told: WholeFile.Failure?
    private var failures: UInt64 = 0
    var reloads: ReloadCounts
    /// Seconds since 1970, read once: a clock that is set does not make it another start.
    let startedSeconds: UInt64

    init(startedSeconds: UInt64) {
        self.startedSeconds = startedSeconds
        reloads = ReloadCounts(startedSeconds: startedSeconds)
    }

    /// CLOCK_BOOTTIME; nil if no file is wanted.
    func nextDeadline(_ settings: MetricsSettings) -> UInt64? {
        guard settings.textFile != nil else { return nil }
        guard let lastWritten, lastPath == settings.textFile else { return 0 }
        return lastWritten + settings.intervalNanoseconds
    }

    /// Writes the file.
    ///
    /// - Returns: what is worth telling: that it fails, once for each reason, and that it no longer does.
    mutating func write(_ text: String, to path: String, now: UInt64) -> DaemonNotice? {
        (lastWritten, lastPath) = (now, path)
        do throws(WholeFile.Failure) {
            try WholeFile.replace(path, with: text)
            defer { (told, failures) = (nil, 0) }
            return told == nil ? nil : Notices.metricsWritten(path, failures: failures)
        } catch {
            failures += 1
            defer { told = error }
            return told == error ? nil : Notices.metricsFailed(error, path: path)
        }
    }
}

/// What the daemon says about its metrics file.
extension Notices {
    static let metricsFailed = (RuleName("daemon-metrics-failed"), MessageID("bc5c6cc20f3d47d7a3bb59cc5ad964ba"))
    static let metricsWritten = (RuleName("daemon-metrics-written"), MessageID("0f66871693cd4834935a116831930a02"))

    /// All of these.
    static let aboutMetrics = [metricsFailed, metricsWritten]

    static func metricsFailed(_ failure: WholeFile.Failure, path: String) -> DaemonNotice {
        notice(
            metricsFailed, .warning, "No metrics: \(failure). \(advice(failure.code, path))",
            [Field(.problem, failure.description)])
    }

    static func metricsWritten(_ path: String, failures: UInt64) -> DaemonNotice {
        notice(metricsWritten, .info, "Metrics are written to \(path) now; attempts that failed: \(failures)", [])
    }

    private static func advice(_ code: Int32, _ path: String) -> String {
        let folder = path.split(separator: "/").dropLast().joined(separator: "/")
        return switch code {
        case EROFS: "The service may not write there: add ReadWritePaths=/\(folder) to the unit, see metrics.conf"
        case EACCES, EPERM: "Let the user of the service write into /\(folder), see metrics.conf"
        case ENOENT, ENOTDIR: "Make the folder /\(folder), or change [Metrics] TextFile="
        case ENOSPC, EDQUOT: "Make room there"
        default: "Change [Metrics] TextFile=, or what is in the way"
        }
    }
}
