/// Says in words what the marks of a table mean.
struct TableLegend {
  let groups: [PointGroup]
  let quantities: [Quantity]
  /// The axis within which the best values are bold.
  let marksBest: String?

  var sentences: [String] {
    [spread, forced, best, seconds, memory].compactMap(\.self)
  }

  private var spread: String? {
    let designs = replicateDesigns
    guard !designs.isEmpty, quantities.contains(where: \.showsSpread) else { return nil }
    return "± sample standard deviation over " + designs.joined(separator: "; ")
      + ". A number without ± comes from one run or is the same in all of them."
  }

  /// `n = 9 runs (3 calibration seeds × 3 search seeds) for random`, most runs first.
  private var replicateDesigns: [String] {
    var methods: [String: [String]] = [:]
    var sizes: [String: Int] = [:]
    let repeated = groups.filter { $0.rows.count > 1 }
    for group in repeated {
      let seeds = SeedText.design(group.rows.map(\.seeds))
      let design = "n = \(group.rows.count) runs" + (seeds.isEmpty ? "" : " (\(seeds))")
      sizes[design] = group.rows.count
      let method = group.labels.first ?? ""
      if methods[design]?.contains(method) != true { methods[design, default: []].append(method) }
    }
    let ordered = sizes.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    // One design for every repeated row needs no list of rows.
    if ordered.count == 1 { return ordered }
    return ordered.map { "\($0) for \((methods[$0] ?? []).joined(separator: ", "))" }
  }

  private var forced: String? {
    guard groups.contains(where: \.isForced) else { return nil }
    return "*forced*: the budget admits one plan only, so that no method had a choice."
  }

  private var best: String? {
    marksBest.map { "Bold: best unrounded mean among quantized rows of equal \($0)." }
  }

  private var seconds: String? {
    for quantity in quantities {
      if case .cost(.seconds, let stages) = quantity.source { return Self.seconds(stages) }
    }
    return nil
  }

  private static func seconds(_ stages: [String]?) -> String {
    let named = stages.map { "the stages \($0.joined(separator: ", "))" } ?? "all stages"
    return "Time: first execution of \(named), mean over runs; cached stages count in full."
  }

  private var memory: String? {
    let hasMemory = quantities.contains { quantity in
      if case .cost(.peakMemory, _) = quantity.source { return true }
      return false
    }
    return hasMemory ? "Peak memory: the largest of any stage, mean over runs." : nil
  }
}
