import Foundation
import Statistics

extension StructureAnalysis {
  /// Projections of the same expert against each other.
  func contrastTables() throws -> [AnalysisTable] {
    var result = AnalysisTable(
      "projections",
      "KL when one matrix of an expert is quantized, against another matrix of the same expert.",
      columns: [
        .words("pair"), .words("bits"), .count("experts"), .number("ratio, geometric mean"),
        .number("first is larger (%)"),
      ],
      notes: [
        "[ ]: 95 % t interval of the mean log ratio, errors clustered by layer; experts where either "
          + "KL is 0 are left out."
      ])
    let byExpert = Dictionary(grouping: table.places(.matrix)) { place in
      table.rows[place].id.split(separator: ".").dropLast().joined(separator: ".")
    }.sorted { table.rows[$0.value[0]].id < table.rows[$1.value[0]].id }
    for (first, second) in [("down", "up"), ("down", "gate"), ("up", "gate")] {
      for level in table.levels.indices {
        let pairs = byExpert.compactMap { _, members -> (layer: Int, log: Double)? in
          func loss(_ name: String) -> Double? {
            members.first { table.rows[$0].projection == name }
              .map { table.divergence($0, level: level) }
          }
          guard let a = loss(first), let b = loss(second), a > 0, b > 0 else { return nil }
          return (table.rows[members[0]].layer, log(a / b))
        }
        guard Set(pairs.map(\.layer)).count > 1 else { continue }
        let mean = try MeanEstimate(
          pairs.map(\.log), clusters: Clusters(pairs.map(\.layer)))
        result.append([
          .text("\(first) / \(second)"), .text(bits(level)), .init(pairs.count),
          .init(exp(mean.mean), try mean.interval().mapped(byIncreasing: exp)),
          .init(100 * Double(pairs.count { $0.log > 0 }) / Double(pairs.count)),
        ])
      }
    }
    return [result]
  }

  /// What the measured loss of matrices, and of experts, goes with.
  func regressionTables() throws -> [AnalysisTable] {
    [
      try regression(.matrix, "regression-matrices", "matrices of experts"),
      try regression(.expert, "regression-experts", "experts"),
    ].compactMap(\.self)
  }

  /// One row of the regression.
  private struct Observation {
    let row: Int
    let level: Int
    let response: Double
  }

  private func regression(
    _ kind: StructureUnit.Kind, _ name: String, _ what: String
  ) throws -> AnalysisTable? {
    let all = table.places(kind).flatMap { row in table.levels.indices.map { (row, $0) } }
    let observations = all.compactMap { row, level -> Observation? in
      let loss = table.divergence(row, level: level)
      guard loss > 0, continuous(row) != nil else { return nil }
      return Observation(row: row, level: level, response: log(loss))
    }
    let parts = Clusters(observations.map(\.row))
    let layers = Clusters(observations.map { table.rows[$0.row].layer })
    guard parts.count > 1 else { return nil }
    var (predictors, dropped) = try predictors(observations, kind)
    guard observations.count > predictors.count + 1 else { return nil }
    let response = observations.map(\.response)
    while true {
      do throws(StatisticsError) {
        let byPart = try LeastSquares(
          response: response, predictors: predictors, errors: .clustered(parts))
        // The covariance of c clusters has rank c - 1: it needs more of them than coefficients.
        let byLayer =
          layers.count > predictors.count + 1
          ? try LeastSquares(
            response: response, predictors: predictors, errors: .clustered(layers)) : nil
        return try regressionTable(
          name, what, byPart, byLayer, layers: layers.count, dropped: dropped,
          left: all.count - observations.count)
      } catch {
        guard case .collinear(let name) = error, predictors.count > 1,
          let place = predictors.firstIndex(where: { $0.name == name })
        else { throw error }
        predictors.remove(at: place)
        dropped.append(name)
      }
    }
  }

  private static let continuousNames = [
    "depth", "ln frequency", "ln mean routing weight", "ln outlier score", "ln kurtosis",
    "ln condition number",
  ]

  /// Values of ``continuousNames``; nil where one is not known or has no logarithm.
  private func continuous(_ row: Int) -> [Double]? {
    guard let frequency = table.feature("frequency", row),
      let weight = table.feature("routing-weight", row),
      let outlier = table.feature("weight-outlier", row),
      let kurtosis = table.feature("weight-kurtosis", row),
      let condition = table.feature("condition-number", row),
      [frequency, weight, outlier, kurtosis, condition].allSatisfy({ $0 > 0 })
    else { return nil }
    return [Double(table.rows[row].layer)]
      + [frequency, weight / frequency, outlier, kurtosis, condition].map { log($0) }
  }

  private func predictors(
    _ observations: [Observation], _ kind: StructureUnit.Kind
  ) throws -> (predictors: [LeastSquares.Predictor], dropped: [String]) {
    var (result, dropped): ([LeastSquares.Predictor], [String]) = ([], [])
    func indicator(_ name: String, _ holds: (Observation) -> Bool) {
      result.append(.init(name, observations.map { holds($0) ? 1 : 0 }))
    }
    for level in table.levels.indices.dropFirst() {
      indicator("\(bits(level)) bits, not \(bits(0))") { $0.level == level }
    }
    if kind == .matrix {
      for projection in ["down", "gate"] {
        indicator("\(projection), not up") { table.rows[$0.row].projection == projection }
      }
    }
    let values = observations.map { continuous($0.row) ?? [] }
    var columns = Self.continuousNames.enumerated().map { index, name in
      LeastSquares.Predictor(name, values.map { $0[index] })
    }
    columns.append(
      .init("ln weights", observations.map { log(Double(table.rows[$0.row].weights)) }))
    for column in columns {
      do throws(StatisticsError) { result.append(try column.standardized()) } catch {
        guard case .collinear = error else { throw error }
        // All matrices of one size say nothing about size.
        if column.name != "ln weights" { dropped.append(column.name) }
      }
    }
    return (result, dropped)
  }

  private func regressionTable(
    _ name: String, _ what: String, _ byPart: LeastSquares, _ byLayer: LeastSquares?, layers: Int,
    dropped: [String], left: Int
  ) throws(StatisticsError) -> AnalysisTable {
    var result = AnalysisTable(
      name,
      "What the KL of \(what) quantized alone goes with: least squares of ln KL on all predictors "
        + "together.",
      columns: [
        .words("predictor"), .number("coefficient"), .number("p"), .number("factor on KL"),
      ]
        + (byLayer == nil
          ? [] : [.number("coefficient, clustered by layer"), .number("p, by layer")]))
    for (place, coefficient) in byPart.coefficients.enumerated()
    where coefficient.name != LeastSquares.interceptName {
      let interval = try coefficient.interval()
      var cells: [AnalysisTable.Cell] = [
        .text(coefficient.name), .init(coefficient.estimate, interval),
        Self.probability(coefficient.pValue),
        .init(exp(coefficient.estimate), interval.mapped(byIncreasing: exp)),
      ]
      if let other = byLayer?.coefficients[place] {
        cells += [.init(other.estimate, try other.interval()), Self.probability(other.pValue)]
      }
      result.append(cells)
    }
    let rows = byPart.residuals.count
    let parts = Int(byPart.coefficients[0].degreesOfFreedom) + 1
    result.notes = [
      "Model: ln KL = intercept + Σ coefficient · predictor + error, over \(rows) parts at levels; "
        + "R² = \(Self.rounded(byPart.rSquared)). Continuous predictors have mean 0 and standard "
        + "deviation 1 here, so that a coefficient is the change of ln KL for one standard deviation; "
        + "indicators compare with the level or projection named after \"not\".",
      "[ ]: 95 % t intervals, errors clustered by the \(parts) parts (\(parts - 1) degrees of freedom): "
        + "the levels of one part are not independent."
        + (byLayer == nil
          ? " Parts of one layer may err alike too, which \(layers) layers are too few to tell with so "
            + "many coefficients: what is said of depth is of these layers alone." : ""),
    ]
    if !dropped.isEmpty {
      result.notes.append(
        "Left out, being determined by others: \(dropped.joined(separator: ", ")).")
    }
    if left > 0 {
      result.notes.append("\(left) without a positive KL and known predictors are left out.")
    }
    return result
  }

  private static func probability(_ p: Double?) -> AnalysisTable.Cell {
    guard let p else { return .absent }
    return .text(p < 1e-4 ? "<0.0001" : String(format: "%.2g", p))
  }

  private static func rounded(_ value: Double?) -> String {
    value.map { String(format: "%.3f", $0) } ?? "undefined"
  }
}
