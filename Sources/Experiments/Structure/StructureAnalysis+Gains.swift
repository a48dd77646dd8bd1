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
          + "decile 1 is predicted to gain most."),
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

  private static let columns: [AnalysisTable.Column] = [
    .number("saved (1e-3 nats/token)"), .number("bytes (kB)"),
    .number("saved per kB (1e-6 nats/token)"), .number("share, measured (%)"),
    .number("share, predicted (%)"),
  ]

  private var gainNotes: [String] {
    [
      "Saved: KL from the full-precision model at the lower level less that at the higher one; "
        + "[ ]: 95 % t interval over \(sample).",
      "Bytes: codes, scales and zero points that the step adds. Predicted: the base loss of the "
        + "sensitivity table.",
    ]
  }

  private func table(
    _ name: String, _ title: String, _ groups: [GainGroup], _ caption: String
  ) throws -> AnalysisTable {
    var result = AnalysisTable(
      name, caption, columns: [.words(title), .words("step")] + Self.columns, notes: gainNotes)
    for step in table.levels.indices.dropLast() {
      let measured = try groups.map { try saving(of: $0.rows, step) }
      let predicted = groups.map { predictedSaving(of: $0.rows, step) }
      for (index, group) in groups.enumerated() {
        result.append(
          try [.text(group.label), .text(stepName(step))]
            + cells(
              measured[index], bytes: addedBytes(of: group.rows, step),
              share: share(measured[index].mean, measured.map(\.mean)),
              predicted: predicted[index].flatMap { share($0, predicted.map { $0 ?? .nan }) }))
      }
    }
    return result
  }

  private func cells(
    _ saved: MeanEstimate, bytes: Double, share: Double?, predicted: Double?
  ) throws -> [AnalysisTable.Cell] {
    let interval = try saved.interval()
    return [
      .init(saved.mean, interval, scale: 1e3), .init(bytes / 1e3),
      .init(saved.mean, interval, scale: 1e9 / bytes), .init(share.map { 100 * $0 }),
      .init(predicted.map { 100 * $0 }),
    ]
  }

  func stepName(_ step: Int) -> String { "\(bits(step)) → \(bits(step + 1))" }

  private func share(_ value: Double, _ all: [Double]) -> Double? {
    let sum = all.reduce(0, +)
    return sum > 0 ? value / sum : nil
  }

  /// Σ over parts of the loss at a level less that at the next.
  func saving(of rows: [Int], _ step: Int) throws -> MeanEstimate {
    let sums = rows.reduce([Double](repeating: 0, count: table.windows)) { sums, row in
      let (low, high) = (nats(row, level: step), nats(row, level: step + 1))
      return sums.indices.map { sums[$0] + low[$0] - high[$0] }
    }
    return try MeanEstimate(sumOf: sums, over: tokensPerWindow)
  }

  /// The same of the base loss; nil where a part has none.
  func predictedSaving(of rows: [Int], _ step: Int) -> Double? {
    let drops = rows.compactMap { row in
      table.prediction("loss", row, level: step).flatMap { low in
        table.prediction("loss", row, level: step + 1).map { low - $0 }
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
      columns: [.words("expert"), .words("step"), .count("rank")] + Self.columns
        + [.count("predicted rank")], notes: gainNotes)
    guard experts.count > 1 else { return result }
    for step in table.levels.indices.dropLast() {
      let measured = try experts.map { try saving(of: [$0], step) }
      let predicted = experts.map { predictedSaving(of: [$0], step) }
      let bytes = experts.map { addedBytes(of: [$0], step) }
      let order = Self.order(zip(measured, bytes).map { $0.mean / $1 })
      let predictedOrder = Self.order(zip(predicted, bytes).map { ($0 ?? 0) / $1 })
      let shown = order.count > 10 ? Array(order.prefix(5) + order.suffix(5)) : order
      for place in shown {
        result.append(
          [
            .text(table.rows[experts[place]].id), .text(stepName(step)),
            .init((order.firstIndex(of: place) ?? 0) + 1),
          ]
            + (try cells(
              measured[place], bytes: bytes[place],
              share: share(measured[place].mean, measured.map(\.mean)),
              predicted: predicted[place].flatMap { share($0, predicted.compactMap(\.self)) }))
            + [.init((predictedOrder.firstIndex(of: place) ?? 0) + 1)])
      }
    }
    return result
  }

  /// Places by falling values.
  private static func order(_ values: [Double]) -> [Int] {
    values.indices.sorted { (values[$1], $0) < (values[$0], $1) }
  }
}
