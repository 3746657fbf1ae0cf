import Glibc

/// The process's own stdout and stderr, for what is said before or beside the records.
public enum Console {
    /// A line for a person on stderr; under systemd with the priority that journald reads.
    public static func error(_ text: String) {
        let prefix = getenv("JOURNAL_STREAM") != nil ? "<3>" : "netanomalyd: "
        write(STDERR_FILENO, text.split(separator: "\n").map { prefix + $0 + "\n" }.joined())
    }

    /// Text on stdout, as it is.
    public static func out(_ text: String) { write(STDOUT_FILENO, text) }

    private static func write(_ descriptor: Int32, _ text: String) {
        var bytes = Array(text.utf8)
        while !bytes.isEmpty {
            let count = Glibc.write(descriptor, bytes, bytes.count)
            if count < 0, errno != EINTR { return }
            bytes.removeFirst(max(0, count))
        }
    }
}
