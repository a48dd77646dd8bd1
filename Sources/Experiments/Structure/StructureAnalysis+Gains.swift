import Statistics

/// Some parts that are raised together from one level to the next, one at a time.
private struct GainGroup {
  let label: String
  let rows: [Int]
}

extension StructureAnalysis {
  /// What a step of bits saves, by layer, projection, expert and decile of neurons.
  func gainTables() throws -> [AnalysisTable] {
    let layers = groups(.layer) { "layer \($0.layer)" }
    let projections =
      groups(.projection) { $0.projection ?? "" } + groups(.attention) { $0.projection ?? "" }
    let deciles = groups(.decile) { "\(($0.decile ?? 0) + 1)" }
    return [
      try table(
        "gains-by-layer", "layer", layers,
        "Loss saved by one more bit for all MLPs of a layer, everything else in full precision."),
      try table(
        "gains-by-projection", "projection", projections,
        "Loss saved by one more bit for one projection of a layer, summed over layers; q, k, v and "
          + "o are of attention."),
      try expertTable(),
      try table(
        "gains-by-decile", "decile", deciles,
        "Loss saved by one more bit for a tenth of every expert's neurons, summed over layers; "
          + "decile 1 is predicted to gain most. Columns of a down that GPTQ solved lack, alone, what it "
          + "added to the others to make up for them."),
    ]
  }

  private func groups(
    _ kind: StructureUnit.Kind, _ label: (StructureTable.Row) -> String
  ) -> [GainGroup] {
    var (order, members): ([String], [String: [Int]]) = ([], [:])
    for place in table.places(kind) {
      let name = label(table.rows[place])
      if members[name] == nil { order.append(name) }
      members[name, default: []].append(place)
    }
    return order.map { GainGroup(label: $0, rows: members[$0] ?? []) }
  }

  /// Losses of the sensitivity table that stand beside what was measured: the base loss, and what
  /// reaches a layer's output where it is known.
  private var predictors: [String] { ["loss", "output"].filter { table.predictions[$0] != nil } }

  private var columns: [AnalysisTable.Column] {
    [
      .number("saved (1e-3 nats/token)"), .number("bytes (kB)"),
      .number("saved per kB (1e-6 nats/token)"), .number("share, measured (%)", digits: 2),
    ] + predictors.map { .number("share, by \($0) (%)", digits: 2) }
  }

  private var gainNotes: [String] {
    [
      "Saved: KL from the full-precision model at the lower level less that at the higher one; "
        + "[ ]: 95 % t interval over \(sample).",
      "Bytes: codes, scales and zero points that the step adds. Shares: of the sum of the column, "
        + "measured where that is above 0 for certain; by `loss`, the base loss of the sensitivity "
        + "table, and `output`, the error that reaches a layer's output.",
    ]
  }

  private func table(
    _ name: String, _ title: String, _ groups: [GainGroup], _ caption: String
  ) throws -> AnalysisTable {
    var result = AnalysisTable(
      name, caption, columns: [.words(title), .words("step")] + columns, notes: gainNotes)
    for step in table.levels.indices.dropLast() {
      let measured = try groups.map { try saving(of: $0.rows, step) }
      let total = try certainTotal(groups.flatMap(\.rows), step)
      let predicted = predictors.map { name in
        Self.shares(groups.map { predictedSaving(of: $0.rows, step, by: name) })
      }
      for (index, group) in groups.enumerated() {
        result.append(
          try [.text(group.label), .text(stepName(step))]
            + cells(
              measured[index], bytes: addedBytes(of: group.rows, step),
              share: total.map { measured[index].mean / $0 }, predicted: predicted.map { $0[index] }
            ))
      }
    }
    return result
  }

  private func cells(
    _ saved: MeanEstimate, bytes: Double, share: Double?, predicted: [Double?]
  ) throws -> [AnalysisTable.Cell] {
    let interval = try saved.interval()
    return [
      .init(saved.mean, interval, scale: 1e3), .init(bytes / 1e3),
      .init(saved.mean, interval, scale: 1e9 / bytes), .init(share.map { 100 * $0 }),
    ] + predicted.map { .init($0.map { 100 * $0 }) }
  }

  func stepName(_ step: Int) -> String { "\(bits(step)) → \(bits(step + 1))" }

  /// What all parts save; nil where it may be nothing.
  private func certainTotal(_ rows: [Int], _ step: Int) throws -> Double? {
    let total = try saving(of: rows, step)
    return try total.interval().lower > 0 ? total.mean : nil
  }

  /// Parts of the sum; nil where one is not known.
  private static func shares(_ values: [Double?]) -> [Double?] {
    let known = values.compactMap(\.self)
    let sum = known.reduce(0, +)
    guard known.count == values.count, sum > 0 else { return values.map { _ in nil } }
    return known.map { $0 / sum }
  }

  /// Σ over parts of the loss at a level less that at the next.
  func saving(of rows: [Int], _ step: Int) throws -> MeanEstimate {
    let sums = rows.reduce([Double](repeating: 0, count: table.windows)) { sums, row in
      let (low, high) = (nats(row, level: step), nats(row, level: step + 1))
      return sums.indices.map { sums[$0] + low[$0] - high[$0] }
    }
    return try MeanEstimate(sumOf: sums, over: tokensPerWindow)
  }

  /// The same of a predicted loss; nil where a part has none.
  func predictedSaving(of rows: [Int], _ step: Int, by name: String = "loss") -> Double? {
    let drops = rows.compactMap { row in
      table.prediction(name, row, level: step).flatMap { low in
        table.prediction(name, row, level: step + 1).map { low - $0 }
      }
    }
    return drops.count == rows.count ? drops.reduce(0, +) : nil
  }

  func addedBytes(of rows: [Int], _ step: Int) -> Double {
    rows.reduce(0) { $0 + table.bytes($1, level: step + 1) - table.bytes($1, level: step) }
  }

  /// The experts that gain most and least, and how unlike they are.
  private func expertTable() throws -> AnalysisTable {
    let experts = table.places(.expert)
    var result = AnalysisTable(
      "gains-by-expert",
      "Loss saved by one more bit for one expert: the five that gain most by byte and the five that "
        + "gain least, of \(experts.count).",
      columns: [.words("expert"), .words("step"), .count("rank")] + columns
        + predictors.map { .count("rank by \($0)") }, notes: gainNotes)
    guard experts.count > 1 else { return result }
    for step in table.levels.indices.dropLast() {
      let measured = try experts.map { try saving(of: [$0], step) }
      let predicted = predictors.map { name in
        experts.map { predictedSaving(of: [$0], step, by: name) }
      }
      let shares = predicted.map(Self.shares)
      let total = try certainTotal(experts, step)
      let bytes = experts.map { addedBytes(of: [$0], step) }
      let order = Self.order(zip(measured, bytes).map { $0.mean / $1 })
      let predictedOrders = predicted.map { Self.order(zip($0, bytes).map { ($0 ?? 0) / $1 }) }
      let shown = order.count > 10 ? Array(order.prefix(5) + order.suffix(5)) : order
      for place in shown {
        result.append(
          [
            .text(table.rows[experts[place]].id), .text(stepName(step)),
            .init((order.firstIndex(of: place) ?? 0) + 1),
          ]
            + (try cells(
              measured[place], bytes: bytes[place],
              share: total.map { measured[place].mean / $0 }, predicted: shares.map { $0[place] }))
            + predictedOrders.map { .init(($0.firstIndex(of: place) ?? 0) + 1) })
      }
    }
    return result
  }

  /// Places by falling values.
  private static func order(_ values: [Double]) -> [Int] {
    values.indices.sorted { (values[$1], $0) < (values[$0], $1) }
  }
}
