/// The name that somebody probably meant.
enum NearestName {
  /// The candidate with the fewest edits, if at most about a third of its letters differ.
  static func of(_ name: String, among candidates: [String]) -> String? {
    let ranked = candidates.map { (name: $0, edits: edits(name.lowercased(), $0.lowercased())) }
    guard let best = ranked.min(by: { ($0.edits, $0.name) < ($1.edits, $1.name) }) else {
      return nil
    }
    return best.edits <= max(2, max(name.count, best.name.count) * 2 / 5) ? best.name : nil
  }

  /// Levenshtein distance: insertions, deletions and replacements of one character.
  static func edits(_ a: String, _ b: String) -> Int {
    let b = Array(b)
    var row = Array(0...b.count)
    for (i, left) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, right) in b.enumerated() {
        let replaced = diagonal + (left == right ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[b.count]
  }
}
