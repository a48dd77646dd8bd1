/// The known name that a misspelt one most probably meant.
///
/// - Returns: The name of smallest edit distance, the first of equals, if that is at most a third of
///   the longer length; else nil.
func nearestName(to name: String, among known: [String]) -> String? {
  let ranked = known.map { (name: $0, distance: editDistance(name.lowercased(), $0.lowercased())) }
  guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
  return best.distance * 3 <= max(name.count, best.name.count) ? best.name : nil
}

/// Levenshtein distance in characters, O(|a| · |b|) time.
private func editDistance(_ a: String, _ b: String) -> Int {
  let target = Array(b)
  var previous = Array(0...target.count)
  for (row, character) in a.enumerated() {
    var current = [row + 1]
    for (column, other) in target.enumerated() {
      let substitution = previous[column] + (character == other ? 0 : 1)
      current.append(min(substitution, previous[column + 1] + 1, current[column] + 1))
    }
    previous = current
  }
  return previous[target.count]
}
