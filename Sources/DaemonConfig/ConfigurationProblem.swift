import AnomalyModel

/// One thing that is wrong at one place of a configuration file.
public struct ConfigurationProblem: Sendable, Equatable, CustomStringConvertible {
    /// The path as it was opened.
    public let file: String
    /// From 1; a problem of the whole file stands on line 1.
    public let line: Int
    /// In bytes, from 1.
    public let column: Int
    /// What is wrong and what was expected; one line, safe for a terminal.
    public let text: String

    /// `FILE:LINE:COLUMN: error: TEXT`, as compilers print it.
    public var description: String { "\(safeText(file.utf8)):\(line):\(column): error: \(text)" }
}

/// All that is wrong with a configuration; nothing of it is in force.
public struct ConfigurationErrors: Error, Sendable, Equatable, CustomStringConvertible {
    /// Enough to mend a file by; a file of another kind given by mistake would fill the terminal.
    static let maximumListed = 100

    /// The first hundred: files that cannot be read, then the rest in the order of the files and of their lines.
    public private(set) var problems: [ConfigurationProblem] = []
    /// How many more there are.
    public private(set) var omitted = 0

    /// One line for each problem, and one for those that are not listed.
    public var description: String {
        (problems.map(\.description) + (omitted > 0 ? ["and \(omitted) more"] : [])).joined(separator: "\n")
    }

    mutating func report(_ text: String, file: String, at place: Place = Place(line: 1, column: 1)) {
        guard problems.count < Self.maximumListed else {
            omitted += 1
            return
        }
        problems.append(ConfigurationProblem(file: file, line: place.line, column: place.column, text: text))
    }
}

/// What is wrong, for a caller that knows where.
struct Complaint: Error, Equatable {
    let text: String
    /// In bytes from the start of the value it is about.
    let offset: Int

    init(_ text: String, offset: Int = 0) {
        self.text = text
        self.offset = offset
    }
}
