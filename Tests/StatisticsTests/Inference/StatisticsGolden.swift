import Foundation
import Testing

/// `Golden/statistics.json`, written by `Golden/statistics_reference.py` with SciPy, NumPy and
/// statsmodels.
struct StatisticsGolden: Decodable, Sendable {
  let distributions: [DistributionRow]

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
