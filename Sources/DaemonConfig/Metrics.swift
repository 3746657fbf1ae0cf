/// `[Metrics]`: figures for a monitoring system, in a file.
public struct MetricsSettings: Sendable, Equatable {
    /// The file that is replaced each time; nil for none.
    public internal(set) var textFile: String?
    /// The time between two of them; never 0.
    public internal(set) var intervalNanoseconds = 15 * TimeSpan.second
}

extension Syntax<String> {
    /// The path of a file that node_exporter's textfile collector reads: it passes over every other name in silence.
    static var metricsPath: Syntax {
        Syntax(
            parse: { text throws(Complaint) in
                let path = try Syntax.absolutePath.parse(text)
                guard path.hasSuffix(".prom"), !path.hasSuffix("/.prom") else {
                    throw Complaint("expected the path of a file that ends in .prom, found \(quoted(text))")
                }
                return path
            },
            text: { $0 }
        )
    }
}
