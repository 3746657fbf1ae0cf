import AnomalyModel

/// Reads files one after the other against the schema and keeps the last value of each setting.
///
/// Every value is checked, also one that a later file overrides: a mistake must not wait for that file to go away.
struct Interpreter {
    /// A value that is in force and where it was written.
    struct Assignment {
        let change: Setting.Change
        /// Counts all assignments.
        let number: Int
        let file: String
        let place: Place

        /// As ``EffectiveSetting/origin`` has it.
        var origin: String { "\(safeText(file.utf8)):\(place.line)" }
    }

    /// Where the lines of a file belong.
    private enum Context {
        case beforeFirstSection
        /// Its header has been reported; its keys are not judged.
        case unknownSection
        case section(String)
    }

    /// Grows with each script that is named.
    private(set) var schema: Schema
    /// By index in the schema's settings; absent for a default.
    private(set) var assignments: [Int: Assignment] = [:]
    private(set) var errors: ConfigurationErrors
    private var assignmentCount = 0
    /// Where each of the schema's scripts is named first.
    private var scriptHeaders: [(file: String, place: Place)] = []

    init(schema: Schema, errors: ConfigurationErrors) {
        self.schema = schema
        self.errors = errors
    }

    mutating func read(_ source: ConfigurationSource) {
        var context = Context.beforeFirstSection
        var firstLines: [Int: Int] = [:]
        for statement in ConfigurationDocument(source.bytes) {
            do throws(Complaint) {
                switch statement.content {
                case .malformedLine(let complaint):
                    throw complaint
                case .malformedSection(let complaint):
                    context = .unknownSection
                    throw complaint
                case .section(let name, let argument):
                    context = .unknownSection
                    context = .section(try schema.section(name, argument: argument))
                    if schema.scripts.count > scriptHeaders.count {
                        scriptHeaders.append((source.path, statement.place))
                    }
                case .assignment(let key, let value, let places):
                    guard let index = try setting(key, in: context) else { continue }
                    if let first = firstLines[index] {
                        let section = schema.settings[index].section
                        throw Complaint("\(quoted(key)) in [\(section)] is already set on line \(first)")
                    }
                    firstLines[index] = statement.place.line
                    assign(value, to: index, at: places, in: source.path)
                }
            } catch {
                errors.report(error.text, file: source.path, at: statement.place)
            }
        }
    }

    private func setting(_ key: String, in context: Context) throws(Complaint) -> Int? {
        switch context {
        case .beforeFirstSection: throw Complaint("key \(quoted(key)) stands before the first [Section]")
        case .unknownSection: nil
        case .section(let section): try schema.setting(key, in: section)
        }
    }

    /// An empty value takes back what earlier files have set, as in systemd's own files.
    private mutating func assign(_ value: String, to index: Int, at places: Places, in file: String) {
        if value.isEmpty {
            assignments[index] = nil
            return
        }
        let setting = schema.settings[index]
        do throws(Complaint) {
            let change = try setting.parse(value)
            assignmentCount += 1
            assignments[index] = Assignment(
                change: change, number: assignmentCount, file: file, place: places.place(at: 0))
        } catch {
            errors.report("\(setting.key): \(error.text)", file: file, at: places.place(at: error.offset))
        }
    }

    /// Reports lists that are too long together at the last of them: without it, they might do.
    mutating func judgeTotals(of draft: Draft) {
        for total in draft.totals where total.count > total.maximum {
            let lists = assignments.filter { total.keys.contains(schema.settings[$0.key].key) }
            guard let last = lists.max(by: { $0.value.number < $1.value.number }) else { continue }
            errors.report(
                "\(schema.settings[last.key].key): expected at most \(total.maximum) different \(total.things) in "
                    + "all \(total.keys.map { "\($0)=" }.joined(separator: " and ")) together, found \(total.count)",
                file: last.value.file, at: last.value.place)
        }
    }

    /// Reports scripts without a file, and enabled ones whose file is not as it should be.
    mutating func judgeScripts(of draft: Draft, _ problem: (_ path: String) -> String?) {
        for (script, header) in zip(draft.scripts, scriptHeaders) {
            let section = "Script \(script.name)"
            let index = schema.settings.firstIndex { $0.section == section && $0.key == "Path" }
            guard let path = script.path, let assignment = index.flatMap({ assignments[$0] }) else {
                errors.report("[\(section)] needs a Path=", file: header.file, at: header.place)
                continue
            }
            if script.isEnabled, let problem = problem(path) {
                errors.report("Path: \(problem)", file: assignment.file, at: assignment.place)
            }
        }
    }
}
