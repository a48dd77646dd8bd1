import Statistics

extension TransferComparison {
  /// Where the spread of losses comes from: calibration set, its sample, search seed, text, windows
  /// within a text; nil unless every set was run with every choice of seeds.
  func varianceTable() throws -> AnalysisTable? {
    let crossed = sets.filter { !merged.contains($0.label) }
    let streams = Set(crossed.flatMap { $0.variants.flatMap { $0.seeds.keys } }).sorted()
    let seeds = streams.map { stream in
      (stream, Set(crossed.flatMap { $0.variants.compactMap { $0.seeds[stream] } }).sorted())
    }
    guard let losses = losses(crossed, seeds) else { return nil }
    let factors =
      [("calibration set", crossed.count)]
      + seeds.map { (Self.names[$0.0] ?? $0.0, $0.1.count) } + [("text", corpora.count)]
    let varied = factors.filter { $0.1 > 1 }
    guard varied.count > 1 else { return nil }
    let split = try CrossedVariance(
      losses.flatMap { $0.map(\.mean) },
      factors: varied.map { CrossedVariance.Factor($0.0, levels: $0.1) })
    return try table(split, windows: WithinTexts(losses))
  }

  private static let names = ["calibration": "calibration sample", "search": "search seed"]

  /// Losses of the windows of one text above full precision, nats per token, under one plan.
  private struct TextLosses {
    let windows: [Double]
    /// Over tokens.
    let mean: Double

    init(_ losses: WindowLosses.Corpus, above reference: WindowLosses.Corpus?) {
      windows = reference.map { zip(losses.nlls, $0.nlls).map { $0 - $1 } } ?? losses.nlls
      let nats = zip(windows, losses.tokens).reduce(0) { $0 + $1.0 * $1.1 }
      mean = nats / losses.tokens.reduce(0, +)
    }
  }

  /// Windows about the mean of their text.
  private struct WithinTexts {
    let degreesOfFreedom: Int
    let deviation: Double
    /// Of the mean over texts, if windows were drawn anew.
    let deviationOfMean: Double

    /// - Parameter losses: Of every plan in every text.
    init(_ losses: [[TextLosses]]) {
      func variance(_ text: TextLosses) -> Double {
        let mean = text.windows.reduce(0, +) / Double(text.windows.count)
        return text.windows.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
          / Double(max(text.windows.count - 1, 1))
      }
      let plans = Double(losses.count)
      degreesOfFreedom = losses[0].reduce(0) { $0 + $1.windows.count - 1 }
      let squares = losses.reduce(0) { sum, texts in
        sum + texts.reduce(0) { $0 + variance($1) * Double($1.windows.count - 1) }
      }
      deviation = (squares / plans / Double(max(degreesOfFreedom, 1))).squareRoot()
      let texts = Double(losses[0].count)
      let ofMeans = losses.reduce(0) { sum, own in
        sum + own.reduce(0) { $0 + variance($1) / Double($1.windows.count) } / (texts * texts)
      }
      deviationOfMean = (ofMeans / plans).squareRoot()
    }
  }

  /// Losses of every text under every plan, seeds fastest among plans.
  private func losses(
    _ crossed: [CalibrationSet], _ seeds: [(stream: String, values: [Int])]
  ) -> [[TextLosses]]? {
    let choices = seeds.reduce([[:]] as [[String: Int]]) { choices, stream in
      choices.flatMap { choice in
        stream.values.map { choice.merging([stream.stream: $0]) { $1 } }
      }
    }
    var result: [[TextLosses]] = []
    for set in crossed {
      for choice in choices {
        guard let variant = set.variants.first(where: { $0.seeds == choice }) else { return nil }
        let texts = corpora.compactMap { name in
          variant.losses.corpora[name].map { TextLosses($0, above: full?.corpora[name]) }
        }
        guard texts.count == corpora.count, texts.allSatisfy({ !$0.windows.isEmpty }) else {
          return nil
        }
        result.append(texts)
      }
    }
    return result.isEmpty ? nil : result
  }

  private func table(_ split: CrossedVariance, windows: WithinTexts) throws -> AnalysisTable {
    var result = AnalysisTable(
      "variance",
      "What makes the mean loss of one text\(full == nil ? "" : " above full precision") differ, by plans "
        + "of the sets of single texts: random effects of a crossed table.",
      columns: [
        .words("source"), .count("degrees of freedom"), .number("sd (1e-3 nats/token)"),
        .number("share of variance (%)"), .number("sd of the mean if drawn anew (1e-3 nats/token)"),
      ],
      notes: [
        split.factors.map { "\($0.levels) \($0.name)s" }.joined(separator: " × ")
          + ". A source of several names is their interaction; that of all holds the noise. The last "
          + "column: how much the mean over everything would move with fresh draws of the source, "
          + "interactions included; for windows, "
          + "how much it would move with other windows of the same texts. Windows vary about the mean of "
          + "their text, which is no part of the table. Estimates below 0 are shown as 0. The mean is "
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
    result.append([
      .text("windows of one text"), .init(windows.degreesOfFreedom), .init(windows.deviation * 1e3),
      .absent, .init(windows.deviationOfMean * 1e3),
    ])
    return result
  }
}
