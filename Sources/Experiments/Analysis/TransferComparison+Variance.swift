import Statistics

extension TransferComparison {
  /// Where the spread of losses comes from: calibration set, its sample, search seed, windows; nil
  /// unless every set was run with every choice of seeds.
  func varianceTable() throws -> AnalysisTable? {
    let crossed = sets.filter { !merged.contains($0.label) }
    let streams = Set(crossed.flatMap { $0.variants.flatMap { $0.seeds.keys } }).sorted()
    let seeds = streams.map { stream in
      (stream, Set(crossed.flatMap { $0.variants.compactMap { $0.seeds[stream] } }).sorted())
    }
    guard let values = values(crossed, seeds) else { return nil }
    let windows = crossed[0].losses.joined(corpora).nats.count
    let factors =
      [("calibration set", crossed.count)]
      + seeds.map { (Self.names[$0.0] ?? $0.0, $0.1.count) } + [("window", windows)]
    let varied = factors.filter { $0.1 > 1 }
    guard varied.count > 1 else { return nil }
    let split = try CrossedVariance(
      values, factors: varied.map { CrossedVariance.Factor($0.0, levels: $0.1) })
    return try table(split)
  }

  private static let names = ["calibration": "calibration sample", "search": "search seed"]

  /// Loss of every window above full precision in nats per token, the last factor fastest.
  private func values(
    _ crossed: [CalibrationSet], _ seeds: [(stream: String, values: [Int])]
  ) -> [Double]? {
    let choices = seeds.reduce([[:]] as [[String: Int]]) { choices, stream in
      choices.flatMap { choice in
        stream.values.map { choice.merging([stream.stream: $0]) { $1 } }
      }
    }
    let reference = full?.joined(corpora).nlls
    var result: [Double] = []
    for set in crossed {
      for choice in choices {
        guard let variant = set.variants.first(where: { $0.seeds == choice }) else { return nil }
        let losses = variant.losses.joined(corpora).nlls
        result += reference.map { zip(losses, $0).map { $0 - $1 } } ?? losses
      }
    }
    return result
  }

  private func table(_ split: CrossedVariance) throws -> AnalysisTable {
    var result = AnalysisTable(
      "variance",
      "What makes the loss of one window\(full == nil ? "" : " above full precision") differ, by plans of "
        + "the sets of single texts: random effects of a crossed table.",
      columns: [
        .words("source"), .count("degrees of freedom"), .number("sd (1e-3 nats/token)"),
        .number("share of variance (%)"), .number("sd of the mean if drawn anew (1e-3 nats/token)"),
      ],
      notes: [
        split.factors.map { "\($0.levels) \($0.name)s" }.joined(separator: " × ")
          + ". A source of several names is their interaction; that of all holds the noise. The last "
          + "column: how much the mean over everything would move with fresh draws of the source, "
          + "interactions included. Estimates below 0 are shown as 0. The mean is "
          + String(format: "%.3f", split.grandMean * 1e3) + "e-3 nats/token."
      ])
    for component in split.components.sorted(by: {
      ($0.factors.count, $0.factors.joined()) < ($1.factors.count, $1.factors.joined())
    }) {
      let moved =
        component.factors.count == 1
        ? try split.varianceOfMean(redrawing: component.factors[0]).squareRoot() * 1e3 : nil
      result.append([
        .text(component.factors.joined(separator: " × ")), .init(component.degreesOfFreedom),
        .init(component.variance.squareRoot() * 1e3),
        .init(split.share(of: component).map { 100 * $0 }), .init(moved),
      ])
    }
    return result
  }
}
