/// Over which runs the rows of a table, or the points of a figure, were repeated.
struct ReplicateDesigns {
  /// `n = 9 runs (3 calibration seeds × 3 search seeds) for random`, most runs first; a single
  /// design names no rows.
  let descriptions: [String]

  init(_ groups: [PointGroup]) {
    var methods: [String: [String]] = [:]
    var sizes: [String: Int] = [:]
    for group in groups where group.rows.count > 1 {
      let seeds = SeedText.design(group.rows.map(\.seeds))
      let design = "n = \(group.rows.count) runs" + (seeds.isEmpty ? "" : " (\(seeds))")
      let method = group.labels.first ?? ""
      sizes[design] = group.rows.count
      if methods[design]?.contains(method) != true { methods[design, default: []].append(method) }
    }
    let ordered = sizes.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    descriptions =
      ordered.count == 1
      ? ordered : ordered.map { "\($0) for \((methods[$0] ?? []).joined(separator: ", "))" }
  }

  /// What ± is; nil if nothing was repeated.
  var sentence: String? {
    guard !descriptions.isEmpty else { return nil }
    return "± sample standard deviation over \(descriptions.joined(separator: "; "))."
  }
}
