import AnomalyModel
import EventPipeline
import TracingBackends

/// What the daemon says about bpftrace, and about scripts of the administrator's own.
extension Notices {
    static let backendFallback = (RuleName("daemon-backend-fallback"), MessageID("d2779418e4d5414189331381b82ebf5b"))
    static let backendFailed = (RuleName("daemon-backend-failed"), MessageID("f9ff22920bca44f6829fddfcc46cb14a"))
    static let backendRestarted = (RuleName("daemon-backend-restarted"), MessageID("7bfddacca55e40d0b064be797c4fb8d2"))
    static let backendDegraded = (RuleName("daemon-backend-degraded"), MessageID("208aa96298e940db9902cc6b30f1b978"))
    static let backendMessage = (RuleName("daemon-backend-message"), MessageID("0f2ae04257e545e0aebf871928c92137"))
    static let backendLoss = (RuleName("daemon-backend-loss"), MessageID("5a24823cea294d8a97aaf1fd78eae734"))
    static let scriptUnreadable = (RuleName("daemon-script-unreadable"), MessageID("7d85e4b0347e438cb2b4b077a8fd1e28"))

    /// All of these.
    static let aboutBackends = [
        backendFallback, backendFailed, backendRestarted, backendDegraded, backendMessage, backendLoss,
        scriptUnreadable,
    ]

    static func fellBack(because reason: String) -> DaemonNotice {
        notice(
            backendFallback, .warning,
            "Watching through bpftrace, which sees less (netanomalyd(8), BACKENDS), because libbpf cannot: \(reason)",
            [Field(.problem, reason)])
    }

    /// - Parameter retryIn: nanoseconds.
    static func backendFailed(
        _ title: String, _ detector: DetectorName, _ failure: BpftraceFailure, retryIn: UInt64
    ) -> DaemonNotice {
        let seconds = Double(retryIn / 100_000_000) / 10
        return notice(
            backendFailed, .warning,
            "Not watched for the moment: \(title). \(failure.description). It is started again in \(seconds) s",
            [Field(.detector, detector.text), Field(.problem, failure.description)])
    }

    static func backendDegraded(
        _ title: String, _ detector: DetectorName, _ failure: BpftraceFailure, retryAt: UInt64?
    ) -> DaemonNotice {
        let next =
            retryAt == nil
            ? "It is tried again at the next reload"
            : "It failed too often; it is tried every 10 minutes, and at a reload"
        return notice(
            backendDegraded, .error, "Not watched: \(title). \(failure.description). \(next)",
            [Field(.detector, detector.text), Field(.problem, failure.description)])
    }

    static func backendRestarted(_ title: String, _ detector: DetectorName, _ gap: BpftraceGap) -> DaemonNotice {
        let milliseconds = (gap.to - min(gap.from, gap.to)) / 1_000_000
        let loss = gap.lostUnknown ? "; what happened meanwhile was not seen, nor counted" : ""
        return notice(
            backendRestarted, .warning,
            "\(title) was not watched for \(milliseconds) ms: \(gap.reason.description)\(loss)",
            [
                Field(.detector, detector.text), Field(.problem, gap.reason.description),
                Field(.firstBoottime, String(gap.from)), Field(.lastBoottime, String(gap.to)),
            ])
    }

    static func backendMessage(_ title: String, _ detector: DetectorName, _ line: String) -> DaemonNotice {
        notice(backendMessage, .notice, "bpftrace (\(title)): \(line)", [Field(.detector, detector.text)])
    }

    static func backendLoss(_ title: String, _ detector: DetectorName, lines: UInt64) -> DaemonNotice {
        notice(
            backendLoss, .warning,
            "\(lines) lines of bpftrace (\(title)) were lost before anything could judge them",
            [Field(.detector, detector.text), Field(.lostBackend, String(lines))])
    }

    static func scriptUnreadable(_ title: String, _ detector: DetectorName, _ problem: String) -> DaemonNotice {
        notice(
            scriptUnreadable, .warning,
            "\(title) prints lines that are no reports, the first of which is told: \(problem)",
            [Field(.detector, detector.text), Field(.problem, problem)])
    }
}
