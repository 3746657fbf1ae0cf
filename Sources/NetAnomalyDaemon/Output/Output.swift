import Glibc
import SystemdProtocols

/// Chooses where records go.
enum Output {
    /// Opens what was asked for; `auto` is decided here, once.
    static func open(
        _ wanted: DaemonOptions.Output
    ) throws(SystemError) -> (transport: any RecordTransport, kind: DaemonOptions.Output) {
        switch wanted {
        case .journal: return (try journal(), .journal)
        case .auto where JournalSocket.answers(): return (try journal(), .journal)
        case .auto: return (text(STDERR_FILENO), .text)
        case .text: return (text(STDOUT_FILENO), .text)
        case .json: return (StreamTransport(descriptor: STDOUT_FILENO, render: JSONLine.append), .json)
        }
    }

    private static func journal() throws(SystemError) -> JournalSocket {
        do {
            return try JournalSocket()
        } catch {
            errno = error.errno
            throw SystemError("open a socket to the journal")
        }
    }

    /// Colour for a person who has not said no (https://no-color.org).
    private static func text(_ descriptor: Int32) -> StreamTransport {
        let isColoured = isatty(descriptor) == 1 && getenv("NO_COLOR") == nil
        let renderer = TextRenderer(isColoured: isColoured)
        return StreamTransport(descriptor: descriptor) { record, bytes in
            let text = renderer.render(record, realtimeOffsetNanoseconds: realtimeOffsetNanoseconds())
            bytes.append(contentsOf: text.utf8)
        }
    }
}
