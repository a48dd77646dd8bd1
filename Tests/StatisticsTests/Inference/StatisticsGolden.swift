import Foundation
import Testing

/// `Golden/statistics.json`, written by `Golden/statistics_reference.py` with SciPy, NumPy and
/// statsmodels.
struct StatisticsGolden: Decodable, Sendable {
  let distributions: [DistributionRow]
  let mcnemar: [McNemar]
  /// `[successes, trials, level, lower, upper]`.
  let wilson: [[Double]]
  let multiplicity: [Family]
  let paired: Paired
  let power: Power
  let variance: [Variance]
  let regression: Regression
  let signedRanks: [SignedRanks]

  struct SignedRanks: Decodable, Sendable {
    let name: String
    let differences: [Double]
    let positive, p: Double
  }

  struct McNemar: Decodable, Sendable {
    let gained, lost, count: Int
    let exact, midP, score: Double
    let interval: [Double]
  }

  struct Family: Decodable, Sendable {
    let p, holm, benjaminiHochberg: [Double]
  }

  struct Paired: Decodable, Sendable {
    let labels: [Int]
    let weights, baseline, candidate: [Double]
    let mean, plainError, plainP: Double
    let plainInterval90: [Double]
    let clusteredError, clusteredP, pooled, pooledError: Double
    let margin, equivalenceP, equivalenceLowerP, equivalenceUpperP: Double
    let bootstrap: [String: Bootstrap]
  }

  struct Bootstrap: Decodable, Sendable {
    let estimate, standardError: Double
    let percentile, bca: [Double]
  }

  struct Power: Decodable, Sendable {
    /// `[n, alpha, power, standardized difference]`.
    let mean: [[Double]]
    /// `[n, discordance, difference, alpha, power]`.
    let exactMcNemar: [[Double]]
  }

  /// Factors are named a, b, c.
  struct Variance: Decodable, Sendable {
    let shape: [Int]
    let values: [Double]
    let meanSquares, variances: [String: Double]
  }

  struct Regression: Decodable, Sendable {
    let response: [Double]
    let predictors: [[Double]]
    let labels: [Int]
    let coefficients, classical, hc3, cluster, p, interval, leverage: [Double]
    let rSquared, adjusted, fP, throughZeroRSquared: Double
  }

  static func load() throws -> StatisticsGolden {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Golden/statistics.json")
    return try JSONDecoder().decode(StatisticsGolden.self, from: Data(contentsOf: url))
  }

  /// `[name, [parameters], argument, value]`.
  struct DistributionRow: Decodable, Sendable {
    let name: String
    let parameters: [Double]
    let argument: Double
    let value: Double

    init(from decoder: any Decoder) throws {
      var row = try decoder.unkeyedContainer()
      name = try row.decode(String.self)
      parameters = try row.decode([Double].self)
      argument = try row.decode(Double.self)
      value = try row.decode(Double.self)
    }
  }
}

/// Expects a relative error below `tolerance`, or an absolute one where the value is below 1e-300.
func expectClose(
  _ got: Double?, _ wanted: Double, within tolerance: Double = 1e-10, _ note: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard let got else {
    Issue.record("\(note): got nil, wanted \(wanted)", sourceLocation: sourceLocation)
    return
  }
  let error = abs(got - wanted) / max(abs(wanted), 1e-300)
  #expect(
    got == wanted || error < tolerance, "\(note): got \(got), wanted \(wanted)",
    sourceLocation: sourceLocation)
}
