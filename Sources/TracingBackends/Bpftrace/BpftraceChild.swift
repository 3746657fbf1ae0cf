import CLinux
import Glibc

/// A process and the ends of its pipes, all in one epoll set.
///
/// Killed, if it still runs, when its owner lets go of it.
final class BpftraceChild {
    /// What the script is called in the process: its descriptor 3.
    static let scriptPath = "/proc/self/fd/3"
    /// As much as an unprivileged process may ask for: some 1100 long lines, while the daemon is busy elsewhere.
    private static let pipeBytes: Int32 = 1 << 20

    /// How it ended.
    enum End: Equatable {
        case exited(Int32)
        case killed(signal: Int32)
    }

    let pid: Int32
    var output: ChildPipe
    var errors: ChildPipe
    private(set) var end: End?
    private let pidfd: Int32
    private let epoll: Int32

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - script: becomes descriptor 3; still the caller's to close.
    ///   - epoll: where the pipes and the end show as readable.
    /// - Throws: errno; ENOENT and EACCES are the executable's.
    init(
        _ executable: String, arguments: [String], environment: [String], script: Int32 = -1, epoll: Int32
    ) throws(ErrorCode) {
        var outputEnds: [Int32] = [-1, -1]
        var errorEnds: [Int32] = [-1, -1]
        var child = na_child()
        var code = na_child_pipe(&outputEnds, Self.pipeBytes)
        if code == 0 { code = na_child_pipe(&errorEnds, Self.pipeBytes) }
        if code == 0 {
            code = withCStrings([executable] + arguments) { arguments in
                withCStrings(environment) { environment in
                    na_child_start(
                        &child, executable, arguments, environment, [-1, outputEnds[1], errorEnds[1], script])
                }
            }
        }
        close(outputEnds[1])
        close(errorEnds[1])
        guard code == 0 else {
            close(outputEnds[0])
            close(errorEnds[0])
            throw ErrorCode(code: code)
        }
        pid = child.pid
        pidfd = child.pidfd
        self.epoll = epoll
        output = ChildPipe(outputEnds[0])
        errors = ChildPipe(errorEnds[0])
        for descriptor in [pidfd, outputEnds[0], errorEnds[0]] {
            var event = epoll_event()
            event.events = EPOLLIN.rawValue
            event.data.fd = descriptor
            epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event)
        }
    }

    deinit {
        if end == nil {
            na_child_signal(pidfd, SIGKILL)
            // Leaves no zombie; a process that is killed is gone in a moment.
            waitpid(pid, nil, 0)
        }
        output.close(epoll: epoll)
        errors.close(epoll: epoll)
        forget(pidfd, epoll: epoll)
    }

    /// True when it is gone and all that it wrote has been read.
    var isOver: Bool { end != nil && output.isDry && errors.isDry }

    func signal(_ number: Int32) {
        if end == nil { na_child_signal(pidfd, number) }
    }

    /// Takes the end, if it has come, and what is in its pipes then is all there will be.
    func takeEnd() {
        guard end == nil else { return }
        let taken = na_child_end(pidfd)
        guard taken.is_over != 0 else { return }
        end = taken.signal != 0 ? .killed(signal: taken.signal) : .exited(taken.status)
        // It would stay readable.
        var event = epoll_event()
        epoll_ctl(epoll, EPOLL_CTL_DEL, pidfd, &event)
    }

    /// Closes the pipes that are at their end: those would stay readable too.
    func closeEnded() {
        if output.isAtEnd { output.close(epoll: epoll) }
        if errors.isAtEnd { errors.close(epoll: epoll) }
    }
}

/// The reading end of one of a child's pipes.
struct ChildPipe {
    private var descriptor: Int32
    /// True once the last writer has closed it.
    private(set) var isAtEnd = false
    /// True when nothing more can come.
    private(set) var isDry = false

    fileprivate init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Reads at most `budget` bytes.
    ///
    /// - Parameter isFinal: the process is gone; should another hold its pipe, that one has nothing for us.
    mutating func read(
        budget: Int, isFinal: Bool, block: inout [UInt8], onBytes: (UnsafeRawBufferPointer) -> Void
    ) {
        var left = budget
        while !isDry, left > 0 {
            let count = Glibc.read(descriptor, &block, block.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                isAtEnd = count == 0
                isDry = isAtEnd || isFinal
                return
            }
            block.withUnsafeBytes { onBytes(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            left -= count
        }
    }

    fileprivate mutating func close(epoll: Int32) {
        if descriptor >= 0 { forget(descriptor, epoll: epoll) }
        descriptor = -1
    }
}

/// An errno value.
struct ErrorCode: Error {
    let code: Int32
}

/// Takes a descriptor out of the set before closing it: a process that is being made may hold a copy for a moment.
private func forget(_ descriptor: Int32, epoll: Int32) {
    var event = epoll_event()
    epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, &event)
    close(descriptor)
}

/// Lends C a list of strings, as execve(2) takes it.
private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var copies = strings.map { strdup($0) } + [nil]
    defer { copies.forEach { free($0) } }
    return body(&copies)
}
