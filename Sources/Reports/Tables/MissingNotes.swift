import Experiments

/// Footnotes on runs that have no result.
struct MissingNotes {
  /// Row → mark, `a` for the first row with missing runs.
  private var marks: [Int: String] = [:]
  private(set) var lines: [String] = []

  init(_ groups: [PointGroup]) {
    for (row, group) in groups.enumerated() where !group.missing.isEmpty {
      let mark = Self.mark(lines.count)
      marks[row] = mark
      lines.append("- [\(mark)] \(Self.sentence(group))")
    }
  }

  /// The labels of a row, the last one marked.
  func marked(_ labels: [String], row: Int) -> [String] {
    guard let mark = marks[row], let last = labels.indices.last else { return labels }
    var labels = labels
    labels[last] += labels[last].isEmpty ? "[\(mark)]" : " [\(mark)]"
    return labels
  }

  /// a … z, aa, ab, …
  private static func mark(_ index: Int) -> String {
    let letter = String(UnicodeScalar(UInt8(97 + index % 26)))
    return index < 26 ? letter : mark(index / 26 - 1) + letter
  }

  private static func sentence(_ group: PointGroup) -> String {
    let expected = group.rows.count + group.missing.count
    let label = group.labels.filter { !$0.isEmpty }.joined(separator: ", ")
    let shown = group.missing.prefix(3).map { point in
      let seeds = SeedText.values(point.seeds)
      return seeds.isEmpty ? point.reason : "\(seeds): \(point.reason)"
    }
    let rest = group.missing.count - shown.count
    let reasons = (shown + (rest > 0 ? ["and \(rest) more"] : [])).joined(separator: "; ")
    guard !group.rows.isEmpty else { return "\(label): no result (\(reasons))." }
    return "\(label): \(group.missing.count) of \(expected) runs without a result (\(reasons))."
  }
}
