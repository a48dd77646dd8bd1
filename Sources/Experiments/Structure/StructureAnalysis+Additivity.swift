import Statistics

extension StructureAnalysis {
  /// Whether losses of parts alone add up to the loss of the whole.
  func additivityTables() throws -> [AnalysisTable] {
    var result = AnalysisTable(
      "additivity",
      "The sum of the KL of parts quantized alone, divided by the KL of all together.",
      columns: [
        .words("whole"), .words("parts"), .words("bits"), .count("wholes"),
        .number("Σ parts / whole"), .number("least"), .number("median"), .number("most"),
      ],
      notes: [
        "1: losses add up; below 1: together they do more harm than alone. Σ parts / whole is over all "
          + "wholes together; [ ]: 95 % percentiles of 2,000 resamples of \(sample)."
      ])
    for (whole, parts, pairs) in wholes {
      for level in table.levels.indices {
        let ratios = pairs.map { pair in
          pair.parts.reduce(0) { $0 + table.divergence($1, level: level) }
            / table.divergence(pair.whole, level: level)
        }.filter(\.isFinite).sorted()
        guard !ratios.isEmpty else { continue }
        var random = SeededGenerator(seed: 0)
        let pooled = try PairedBootstrap(
          candidate: sum(of: pairs.flatMap(\.parts), level),
          baseline: sum(of: pairs.map(\.whole), level),
          weights: tokensPerWindow, statistic: .ratio, count: 2000, using: &random)
        result.append([
          .text(whole), .text(parts), .text(bits(level)), .init(pairs.count),
          .init(pooled.estimate, try pooled.percentileInterval()), .init(ratios[0]),
          .init(Self.median(ratios)), .init(ratios[ratios.count - 1]),
        ])
      }
    }
    return [result]
  }

  private struct Whole {
    let whole: Int
    let parts: [Int]
  }

  /// Kinds of wholes whose parts were all measured.
  private var wholes: [(whole: String, parts: String, pairs: [Whole])] {
    func inLayers(_ kind: StructureUnit.Kind) -> [Whole] {
      table.places(.layer).map { whole in
        Whole(
          whole: whole,
          parts: table.places(kind).filter { table.rows[$0].layer == table.rows[whole].layer })
      }
    }
    let experts = table.places(.expert).map { whole in
      Whole(
        whole: whole,
        parts: table.places(.matrix).filter {
          table.rows[$0].id.hasPrefix("\(table.rows[whole].id).")
        })
    }
    let model = table.places(.model).map { Whole(whole: $0, parts: table.places(.layer)) }
    return [
      ("expert", "matrices", experts), ("layer", "experts", inLayers(.expert)),
      ("layer", "projections", inLayers(.projection)), ("layer", "deciles", inLayers(.decile)),
      ("model", "layers", model),
    ].filter { !$0.2.isEmpty && $0.2.allSatisfy { !$0.parts.isEmpty } }
  }

  /// Nats of every window.
  private func sum(of rows: [Int], _ level: Int) -> [Double] {
    rows.reduce([Double](repeating: 0, count: table.windows)) { sums, row in
      zip(sums, nats(row, level: level)).map { $0 + $1 }
    }
  }

  /// Of sorted values.
  private static func median(_ values: [Double]) -> Double {
    (values[values.count / 2] + values[(values.count - 1) / 2]) / 2
  }
}
