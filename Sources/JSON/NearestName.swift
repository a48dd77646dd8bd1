/// The known name that somebody probably meant.
///
/// - Returns: The name of fewest edits, whatever the case of letters, the first in the alphabet of
///   equals; nil if more than two edits and more than 2/5 of the longer name, or all of it, differ.
public func nearestName(to name: String, among known: [String]) -> String? {
  let ranked = known.map { (name: $0, edits: edits(name.lowercased(), $0.lowercased())) }
  guard let best = ranked.min(by: { ($0.edits, $0.name) < ($1.edits, $1.name) }) else {
    return nil
  }
  let longer = max(name.count, best.name.count)
  return best.edits <= max(2, longer * 2 / 5) && best.edits < longer ? best.name : nil
}

/// Levenshtein distance: insertions, deletions and replacements of one character.
private func edits(_ a: String, _ b: String) -> Int {
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
