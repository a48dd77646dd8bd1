/// Count, mean and sample standard deviation of repeated measurements.
public struct SampleSummary: Sendable, Equatable {
  public let count: Int
  /// `Σx / n`; equal values give that value exactly.
  public let mean: Double
  /// `√(Σ(x − mean)² / (n − 1))`; nil for a single value, 0 only if all values are equal.
  public let standardDeviation: Double?

  /// Summarizes `values` in two passes; nil for an empty sample.
  ///
  /// - Parameter values: Finite measurements in a fixed order.
  public init?(_ values: [Double]) {
    guard let first = values.first else { return nil }
    count = values.count
    // The rounded mean of equal values may differ from them, which would fake a spread.
    if values.allSatisfy({ $0 == first }) {
      mean = first
      standardDeviation = values.count > 1 ? 0 : nil
      return
    }
    let center = values.reduce(0, +) / Double(values.count)
    let squares = values.reduce(0) { $0 + ($1 - center) * ($1 - center) }
    mean = center
    standardDeviation = (squares / Double(values.count - 1)).squareRoot()
  }

  /// Whether the values differ.
  public var varies: Bool { (standardDeviation ?? 0) > 0 }
}
