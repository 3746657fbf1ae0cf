import Glibc
import SystemdProtocols
import Testing

/// One at a time: all of them set the environment of the test process.
@Suite(.serialized) struct ServiceNotifierTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] { unsetenv(name) }
    }

    private func messages(_ act: (inout ServiceNotifier) -> Void) -> [String] {
        let path = directory.path + "/socket"
        let receiver = Receiver(path: path)
        setenv("NOTIFY_SOCKET", path, 1)
        defer { unsetenv("NOTIFY_SOCKET") }
        var notifier = ServiceNotifier()
        act(&notifier)
        var messages: [String] = []
        while let bytes = receiver.receive() { messages.append(String(decoding: bytes, as: UTF8.self)) }
        return messages
    }

    @Test func `each state is one message with its status`() {
        let messages = messages {
            $0.ready(status: "Watching.")
            $0.reloading(status: "Reloading.", monotonicMicroseconds: 1234)
            $0.status("Busy.")
            $0.watchdog()
            $0.stopping(status: "Stopping.")
        }
        #expect(
            messages == [
                "READY=1\nSTATUS=Watching.", "RELOADING=1\nMONOTONIC_USEC=1234\nSTATUS=Reloading.", "STATUS=Busy.",
                "WATCHDOG=1", "STOPPING=1\nSTATUS=Stopping.",
            ])
    }

    @Test func `a status stays on its line`() {
        #expect(messages { $0.status("a\nMAINPID=1\rb") } == ["STATUS=a MAINPID=1 b"])
    }

    @Test func `a state that finds no room is told later, pings are not`() {
        let path = directory.path + "/socket"
        let receiver = Receiver(path: path)
        setenv("NOTIFY_SOCKET", path, 1)
        defer { unsetenv("NOTIFY_SOCKET") }
        var notifier = ServiceNotifier()
        // More than any receive queue holds; a blocking sender would hang here.
        for _ in 0..<2000 { notifier.watchdog() }
        notifier.ready(status: "First.")
        notifier.ready(status: "Watching.")
        #expect(notifier.needsRetry)
        var pings = 0
        while receiver.receive() != nil { pings += 1 }
        #expect(pings < 2000)
        notifier.retry()
        #expect(!notifier.needsRetry)
        #expect(receiver.receive().map { String(decoding: $0, as: UTF8.self) } == "READY=1\nSTATUS=Watching.")
        #expect(receiver.receive() == nil)
    }

    @Test func `without a socket nothing happens`() {
        var notifier = ServiceNotifier()
        notifier.ready(status: "Watching.")
        #expect(notifier.watchdogIntervalMicroseconds == nil)
    }

    @Test func `the watchdog's interval is the one set for this process`() {
        setenv("WATCHDOG_USEC", "5000000", 1)
        defer { unsetenv("WATCHDOG_USEC") }
        #expect(ServiceNotifier().watchdogIntervalMicroseconds == 5_000_000)
        setenv("WATCHDOG_PID", "1", 1)
        defer { unsetenv("WATCHDOG_PID") }
        #expect(ServiceNotifier().watchdogIntervalMicroseconds == nil)
    }
}
