/// One metric with all its labelled values, as Prometheus' text format 0.0.4 has it.
///
/// That format and not OpenMetrics: node_exporter's textfile collector reads no other, and takes a counter that
/// OpenMetrics declares without `_total` for one without a type.
struct MetricFamily {
    enum Kind: String {
        /// Only grows, and its name ends in `_total`.
        case counter
        case gauge
    }

    /// Label names must not repeat in one sample, nor all labels in one family: a reader throws the whole file away.
    typealias Sample = (labels: [(name: String, value: String)], value: UInt64)

    let name: String
    let kind: Kind
    let help: String
    let samples: [Sample]

    init(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        self.name = "netanomalyd_" + name
        self.kind = kind
        self.help = help
        self.samples = samples
    }

    /// One value without labels.
    init(_ name: String, _ kind: Kind, _ help: String, _ value: UInt64) {
        self.init(name, kind, help, [([], value)])
    }

    /// Appends comment lines and samples; nothing where there are no samples.
    func append(to text: inout String) {
        if samples.isEmpty { return }
        text += "# HELP \(name) \(Self.escaped(help, quote: false))\n# TYPE \(name) \(kind.rawValue)\n"
        for sample in samples {
            text += name
            for (index, label) in sample.labels.enumerated() {
                text += "\(index == 0 ? "{" : ",")\(label.name)=\"\(Self.escaped(label.value, quote: true))\""
            }
            text += "\(sample.labels.isEmpty ? "" : "}") \(sample.value)\n"
        }
    }

    /// Backslashes and line ends, and in labels quotes, are the only bytes that mean something.
    private static func escaped(_ text: String, quote: Bool) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quote: result += "\\\""
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}

extension [MetricFamily] {
    /// The whole file.
    var text: String {
        var text = ""
        for family in self { family.append(to: &text) }
        return text
    }
}
