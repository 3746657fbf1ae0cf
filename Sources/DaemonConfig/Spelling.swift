import AnomalyModel

/// `, did you mean 'NAME'?` for the candidate nearest to a word, or nothing if none is near.
func suggestion(for word: String, among candidates: [String]) -> String {
    nearest(to: word, among: candidates).map { ", did you mean '\($0)'?" } ?? ""
}

/// The candidate with the fewest edits, case aside, as long as half of it is right; the first of equals.
func nearest(to word: String, among candidates: [String]) -> String? {
    let word = Array(word.lowercased().utf8)
    var best: (name: String, distance: Int)?
    for candidate in candidates {
        let other = Array(candidate.lowercased().utf8)
        let allowed = max(word.count, other.count) / 2
        // Spares the table for words that input made long.
        guard abs(word.count - other.count) <= allowed else { continue }
        let distance = editDistance(word, other)
        if distance <= allowed, distance < best?.distance ?? Int.max { best = (candidate, distance) }
    }
    return best?.name
}

/// Levenshtein's distance: insertions, deletions and replacements that turn one word into the other.
func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var previous = Array(0...right.count)
    for (row, byte) in left.enumerated() {
        var current = [row + 1]
        for (column, other) in right.enumerated() {
            let replaced = previous[column] + (byte == other ? 0 : 1)
            current.append(min(replaced, previous[column + 1] + 1, current[column] + 1))
        }
        previous = current
    }
    return previous[right.count]
}

/// A piece of a file as it may stand in a message: in quotes, short, without control characters.
func quoted(_ text: String) -> String {
    // A terminal line; the column says where to look for the rest.
    "'\(shortened(text, to: 60))'"
}

/// The beginning of a text without control characters, and dots if there is more.
func shortened(_ text: String, to maximumLength: Int) -> String {
    let shown = text.unicodeScalars.prefix(maximumLength)
    return safeText(String(shown).utf8) + (shown.endIndex < text.unicodeScalars.endIndex ? "..." : "")
}
