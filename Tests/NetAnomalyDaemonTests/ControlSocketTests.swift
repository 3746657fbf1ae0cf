import Glibc
import Testing

@testable import NetAnomalyDaemon

/// One after the other: binding sets the process's umask for a moment.
@Suite(.serialized) struct SocketSuites {}

extension SocketSuites {
    @Suite struct ControlSocketTests {
        private let folder: TemporaryFolder
        private let loop: EventLoop

        init() throws {
            folder = try TemporaryFolder()
            loop = try quietLoop()
        }

        private func open() throws -> ControlSocket { try ControlSocket(path: folder.socket, loop: loop) }

        /// Serves everything that is there now; answers with `answer` or an echo.
        private func serve(_ control: ControlSocket, now: UInt64 = second, answer: (String) -> String = { "<\($0)>" }) {
            for _ in 0..<10_000 {
                let wakes = loop.wait(until: 0, now: 1)
                if wakes.isEmpty { return }
                for wake in wakes {
                    switch wake {
                    case .readable(let descriptor): control.readable(descriptor, now: now, answer: answer)
                    case .writable(let descriptor): control.writable(descriptor)
                    case .signal: break
                    }
                }
            }
            Issue.record("the control socket never comes to rest")
        }

        private func ask(_ control: ControlSocket, _ text: String) throws -> Peer {
            let peer = try Peer(path: folder.socket)
            peer.say(text)
            serve(control)
            peer.listen()
            return peer
        }

        private func failure() -> String? {
            do {
                _ = try open()
                return nil
            } catch {
                return "\(error)"
            }
        }

        @Test func `a request gets its answer and the end`() throws {
            let control = try open()
            let peer = try ask(control, "status\n")
            #expect(peer.text == "<status>\n" && peer.isOver)
            #expect(control.nextDeadline == nil)
        }

        @Test func `a request may come in parts, and only its first line counts`() throws {
            let control = try open()
            let peer = try ask(control, "sta")
            #expect(peer.text.isEmpty && !peer.isOver)
            peer.say("tus\nreload\n")
            peer.endRequest()
            serve(control)
            peer.listen()
            #expect(peer.text == "<status>\n" && peer.isOver)
        }

        @Test func `bytes that are no text are a request like any other`() throws {
            let control = try open()
            var asked: [String] = []
            let peer = try Peer(path: folder.socket)
            peer.say("\u{0}\u{1b}[2J\n")
            serve(control) { request in
                asked.append(request)
                return ""
            }
            #expect(asked == ["\u{0}\u{1b}[2J"])
        }

        @Test func `a request without end is cut off`() throws {
            let control = try open()
            let peer = try ask(control, String(repeating: "x", count: ControlSocket.maxRequestBytes))
            #expect(!peer.isOver)
            peer.say("x")
            serve(control)
            peer.listen()
            #expect(peer.isOver && peer.text.isEmpty && control.nextDeadline == nil)
        }

        @Test func `two clients get an answer each`() throws {
            let control = try open()
            let (first, second) = (try Peer(path: folder.socket), try Peer(path: folder.socket))
            first.say("one")
            second.say("two\n")
            first.say("\n")
            serve(control)
            first.listen()
            second.listen()
            #expect((first.text, second.text) == ("<one>\n", "<two>\n"))
        }

        @Test func `a client that leaves without a word is forgotten`() throws {
            let control = try open()
            do {
                let peer = try ask(control, "sta")
                #expect(!peer.isOver && control.nextDeadline != nil)
            }
            serve(control)
            #expect(control.nextDeadline == nil)
        }

        @Test func `a client too many is turned away, and the others stay`() throws {
            let control = try open()
            let peers = try (0..<ControlSocket.maxClients).map { _ in try ask(control, "half") }
            let late = try ask(control, "status\n")
            #expect(late.isOver && late.text.isEmpty)
            #expect(peers.allSatisfy { !$0.isOver })
            peers[0].say("\n")
            serve(control)
            peers[0].listen()
            #expect(peers[0].text == "<half>\n")
            #expect(try ask(control, "status\n").text == "<status>\n")
        }

        @Test func `a large answer arrives whole`() throws {
            let control = try open()
            let peer = try Peer(path: folder.socket)
            peer.say("status\n")
            let large = String(repeating: "0123456789", count: 200_000)
            for _ in 0..<1000 where !peer.isOver {
                serve(control) { _ in large }
                peer.listen()
            }
            #expect(peer.isOver && peer.text == large + "\n")
        }

        @Test func `a client that never reads holds up nobody and is dropped in time`() throws {
            let control = try open()
            let deaf = try Peer(path: folder.socket)
            deaf.say("status\n")
            serve(control) { _ in String(repeating: "x", count: 4_000_000) }
            let deadline = second + ControlSocket.clientNanoseconds
            #expect(control.nextDeadline == deadline)
            #expect(try ask(control, "status\n").text == "<status>\n")
            control.expire(now: deadline - 1)
            #expect(control.nextDeadline == deadline)
            control.expire(now: deadline)
            #expect(control.nextDeadline == nil)
            deaf.listen()
            #expect(deaf.isOver && deaf.received.count < 4_000_000)
        }

        @Test func `a client that never asks is dropped in time`() throws {
            let control = try open()
            let peer = try ask(control, "")
            control.expire(now: second + ControlSocket.clientNanoseconds)
            peer.listen()
            #expect(peer.isOver)
        }

        @Test func `the daemon's group may use the socket, others may not`() throws {
            let control = try open()
            var status = stat()
            #expect(stat(folder.socket, &status) == 0 && status.st_mode & 0o777 == 0o660 && control.nextDeadline == nil)
        }

        @Test func `the socket goes with the daemon`() throws {
            do {
                let control = try open()
                #expect(access(folder.socket, F_OK) == 0 && control.nextDeadline == nil)
            }
            #expect(access(folder.socket, F_OK) != 0)
        }

        @Test func `the socket of a dead daemon is replaced`() throws {
            do { _ = try BoundSocket(path: folder.socket, type: SOCK_STREAM, backlog: 4) }
            #expect(access(folder.socket, F_OK) == 0)
            #expect(try ask(try open(), "status\n").text == "<status>\n")
        }

        @Test func `a living daemon keeps its socket`() throws {
            let control = try open()
            let expected =
                "Cannot listen on \(folder.socket): another netanomalyd answers there: Address already in use"
            #expect(failure() == expected)
            #expect(try ask(control, "status\n").text == "<status>\n")
        }

        @Test func `a living daemon that is busy keeps its socket`() throws {
            let busy = try BoundSocket(path: folder.socket, type: SOCK_STREAM, backlog: 0)
            var peers: [Peer] = []
            while peers.count < 100, let peer = try? Peer(path: folder.socket) { peers.append(peer) }
            #expect(peers.count < 100)
            #expect(failure()?.contains("another netanomalyd answers there") == true)
            #expect(access(folder.socket, F_OK) == 0 && busy.descriptor >= 0)
        }

        @Test func `what is no socket is left alone`() throws {
            try folder.write("important\n")
            rename(folder.file, folder.socket)
            #expect(failure() == "Cannot listen on \(folder.socket): File exists")
            #expect(access(folder.socket, F_OK) == 0)
        }

        @Test func `a path too long for a socket is an error in words`() {
            let path = folder.path + "/" + String(repeating: "p", count: 100)
            let error = #expect(throws: SystemError.self) { try ControlSocket(path: path, loop: loop) }
            #expect(error?.description == "Cannot listen on \(path): File name too long")
        }
    }
}
