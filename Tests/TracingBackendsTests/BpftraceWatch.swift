import Glibc
import Testing

@testable import TracingBackends

/// The bpftrace that the tests run; another version's is named in the environment.
let bpftracePath = getenv("BPFTRACE").map { String(cString: $0) } ?? "/usr/bin/bpftrace"

/// Why no real bpftrace can run here; nil if one can.
let bpftraceProblem: String? =
    access(bpftracePath, X_OK) != 0
    ? "\(bpftracePath) is not there: these tests need bpftrace"
    : geteuid() != 0 ? "bpftrace needs root" : nil

func boottime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_BOOTTIME, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

let second: UInt64 = 1_000_000_000

/// What a script of ours has besides its own probes: `READY 1` first, `READY 2` and the heartbeat last.
func supervised(_ probes: String, beat: String = "s:5") -> String {
    """
    interval:ms:100 { printf("ready 1\\n"); @printed = count(); }
    \(probes)
    interval:\(beat) { printf("alive\\n"); @printed = count(); }
    interval:ms:100 { printf("ready 2\\n"); @printed = count(); }
    """
}

/// A session whose news and texts are kept, and which runs while a test waits for something.
final class WatchedSession {
    struct TookTooLong: Error, CustomStringConvertible {
        let description: String
    }

    /// A start takes a second on a busy machine; no test waits for longer things.
    private static let patience = 60 * second

    private(set) var session: BpftraceSession?
    private(set) var texts: [String] = []
    private(set) var values: [[String]] = []
    private(set) var news: [BpftraceNews] = []
    /// How far the session's clock is ahead of the real one.
    private var ahead: UInt64 = 0

    init(
        _ script: String, arguments: [String] = [], environment: [String: String] = [:],
        executable: String = bpftracePath, readiness: BpftraceProgram.Readiness = .lines(["ready 1", "ready 2"]),
        hasHeartbeat: Bool = true
    ) throws {
        try open(
            BpftraceProgram(
                name: "test", source: .embedded(Array(script.utf8)), arguments: arguments, environment: environment,
                executable: executable, readiness: readiness, hasHeartbeat: hasHeartbeat))
    }

    init(_ program: BpftraceProgram) throws { try open(program) }

    private func open(_ program: BpftraceProgram) throws {
        session = try BpftraceSession(
            program, seed: 1,
            onText: { [weak self] text, _ in self?.texts.append(String(decoding: text, as: UTF8.self)) },
            onValue: { [weak self] in self?.values.append($0) }, onNews: { [weak self] in self?.news.append($0) })
        session?.start(now: now)
    }

    var now: UInt64 { boottime() + ahead }
    var counts: BpftraceCounts { session?.counts ?? BpftraceCounts() }
    var state: BpftraceState { session?.state ?? .idle }
    var pid: Int32 { session?.childPID ?? 0 }
    var isReady: Bool {
        if case .running = state { true } else { false }
    }
    var messages: [String] {
        news.compactMap { if case .message(let text) = $0 { text } else { nil } }
    }
    var failures: [BpftraceFailure] {
        news.compactMap {
            switch $0 {
            case .failed(let failure, _), .broken(let failure, _): failure
            default: nil
            }
        }
    }
    var gaps: [BpftraceGap] {
        news.compactMap { if case .gap(let gap) = $0 { gap } else { nil } }
    }

    /// Lets the session work until the condition holds.
    func run(until what: String, _ condition: (WatchedSession) -> Bool) throws {
        let end = boottime() + Self.patience
        while !condition(self) {
            guard let session, boottime() < end else {
                throw TookTooLong(description: "not within a minute: \(what); \(state), \(news)")
            }
            var request = pollfd(fd: session.descriptor, events: Int16(POLLIN), revents: 0)
            let left = session.nextDeadline.map { max($0, now) - now } ?? second
            poll(&request, 1, Int32(clamping: min(left, second) / 1_000_000 + 1))
            session.readable(now: now)
            session.tick(now: now)
        }
    }

    func runUntilReady() throws { try run(until: "ready") { $0.isReady } }

    /// Stops the session and lets it end.
    func stop() throws {
        session?.stop(now: now)
        try run(until: "stopped") { $0.state == .idle }
    }

    /// Puts the clock forward to the next deadline, as if nothing had happened until then.
    func skipToDeadline() {
        guard let session, let deadline = session.nextDeadline else { return }
        ahead += max(deadline, now) - now
        session.tick(now: now)
    }

    func signal(_ number: Int32) { kill(pid, number) }

    /// Lets go of the session.
    func abandon() { session = nil }
}

/// A program of the tests' own, gone with its owner.
final class Executable {
    let path: String

    init(_ text: String) throws {
        var template = Array("/tmp/netanomalyd-test-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        try #require(descriptor >= 0)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        write(descriptor, text, text.utf8.count)
        fchmod(descriptor, 0o700)
        close(descriptor)
    }

    deinit { unlink(path) }
}
