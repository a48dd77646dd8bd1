/// The candidate with the fewest single-letter edits, if it is near enough to be meant.
///
/// Near enough: at most a third of the longer word, and at least one letter kept. Ties go to the
/// first candidate.
func nearestName(to name: String, among candidates: [String]) -> String? {
  let distances = candidates.map { editDistance(Array(name), Array($0)) }
  guard let best = distances.indices.min(by: { distances[$0] < distances[$1] }) else { return nil }
  let longer = max(name.count, candidates[best].count)
  return distances[best] <= max(1, longer / 3) ? candidates[best] : nil
}

/// Levenshtein distance: insertions, deletions and replacements that turn one word into another.
private func editDistance(_ first: [Character], _ second: [Character]) -> Int {
  var row = Array(0...second.count)
  for (i, letter) in first.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, other) in second.enumerated() {
      let replaced = diagonal + (letter == other ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
    }
  }
  return row[second.count]
}
