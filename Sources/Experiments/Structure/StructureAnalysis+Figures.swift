import Foundation

extension StructureAnalysis {
  /// What can be seen rather than read.
  func figures() -> [AnalysisFigure] {
    [proxyFigure, expertFigure, decileFigure].compactMap(\.self)
  }

  /// Predicted against measured loss of matrices at the lowest level.
  private var proxyFigure: AnalysisFigure? {
    let predictor = table.predictions["output"] == nil ? "loss" : "output"
    let series = ["gate", "up", "down"].map { projection in
      let rows = table.places(.matrix).filter { table.rows[$0].projection == projection }
      return AnalysisFigure.Series(
        name: projection,
        points: rows.compactMap { row in
          let measured = table.divergence(row, level: 0)
          guard let loss = table.prediction(predictor, row, level: 0), loss > 0, measured > 0 else {
            return nil
          }
          return AnalysisFigure.Point(x: loss, y: measured)
        }.sorted { ($0.x, $0.y) < ($1.x, $1.y) })
    }.filter { !$0.points.isEmpty }
    guard !series.isEmpty else { return nil }
    return .plot(
      "proxy",
      "Predicted loss (`\(predictor)` of the sensitivity table) against the measured KL of each matrix "
        + "of an expert alone at \(bits(0)) bits.",
      .init(
        x: "predicted: \(predictor)", y: "measured: KL (nats/token)", series: series,
        joinsPoints: false, isLogarithmic: true))
  }

  /// Layers by routed experts.
  private var expertFigure: AnalysisFigure? {
    let experts = table.places(.expert).filter { table.rows[$0].expert != nil }
    guard table.levels.count > 1, !experts.isEmpty else { return nil }
    let layers = Set(experts.map { table.rows[$0].layer }).sorted()
    let indices = Set(experts.compactMap { table.rows[$0].expert }).sorted()
    let cells = layers.map { layer in
      indices.map { index -> Double? in
        experts.first { table.rows[$0].layer == layer && table.rows[$0].expert == index }
          .map { row in
            (table.divergence(row, level: 0) - table.divergence(row, level: 1)) * 1e9
              / addedBytes(of: [row], 0)
          }
      }
    }
    return .heatMap(
      "experts",
      "Loss that one expert saves by each kB more, from \(bits(0)) to \(bits(1)) bits, measured.",
      .init(
        x: "expert", y: "layer", columns: indices.map { "\($0)" }, rows: layers.map { "\($0)" },
        cells: cells, unit: "1e-6 nats/token per kB", isDiverging: false,
        showsNumbers: indices.count <= 8))
  }

  /// Shares of deciles in what all of them save.
  private var decileFigure: AnalysisFigure? {
    let rows = table.places(.decile)
    guard table.levels.count > 1, !rows.isEmpty else { return nil }
    func shares(_ value: (Int) -> Double?) -> [AnalysisFigure.Point]? {
      let sums = (0..<10).map { decile in
        rows.filter { table.rows[$0].decile == decile }.map { value($0) ?? .nan }.reduce(0, +)
      }
      let total = sums.reduce(0, +)
      guard total > 0 else { return nil }
      return sums.enumerated().map {
        AnalysisFigure.Point(x: Double($0.offset + 1), y: 100 * $0.element / total)
      }
    }
    let measured = shares { table.divergence($0, level: 0) - table.divergence($0, level: 1) }
    let predicted = shares { predictedSaving(of: [$0], 0) }
    let series = [("measured", measured), ("predicted", predicted)].compactMap { name, points in
      points.map { AnalysisFigure.Series(name: name, points: $0) }
    }
    guard !series.isEmpty else { return nil }
    return .plot(
      "deciles",
      "Share of each tenth of the neurons in the loss that is saved from \(bits(0)) to \(bits(1)) bits.",
      .init(
        x: "decile of neurons, the one predicted to gain most first", y: "share (%)",
        series: series, joinsPoints: true, isLogarithmic: false))
  }
}
