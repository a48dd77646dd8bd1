public import Tensors

/// Where range outliers of a matrix begin: |w| > T.
///
///     T(r) = max(|Q1 - r·IQR|, |Q3 + r·IQR|) = |Q1 + Q3| / 2 + (r + ½)·IQR,    IQR = Q3 - Q1
///
/// The second form holds for r >= -½ and shows that T is linear in r, so that the r which gives a share
/// of outliers is an order statistic and needs no search.
/// - SeeAlso: METHODS §2.4.
public struct QuartileRange: Sendable, Equatable {
  /// First quartile of all weights, zeros included.
  public let first: Double
  /// Third quartile.
  public let third: Double

  /// - Parameter weights: W, finite, not empty.
  public init(of weights: Matrix) {
    first = OrderStatistic.quantile(0.25, of: weights.storage)
    third = OrderStatistic.quantile(0.75, of: weights.storage)
  }

  /// T(r); infinite where the quartiles are equal, since then they measure no spread.
  public func threshold(range: Double) -> Double {
    guard third > first else { return .infinity }
    return max(abs(first - range * (third - first)), abs(third + range * (third - first)))
  }

  /// The r at which |w| = T(r); -∞ where the quartiles are equal.
  func range(of weight: Float) -> Float {
    guard third > first else { return -.infinity }
    return Float((abs(Double(weight)) - abs(first + third) / 2) / (third - first) - 0.5)
  }

  /// The r that makes at most a given share of all weights of a model outliers.
  ///
  /// - Parameters:
  ///   - matrices: Finite.
  ///   - fraction: Of their weights together, 0..<1; published: 0.004.
  /// - Returns: The smallest such r >= 0, up to rounding to 32 bits.
  /// - Throws: ``QuantizationError`` for weights that are not finite and fractions out of range.
  public static func range(
    for matrices: [Matrix], fraction: Double
  ) throws(QuantizationError) -> Double {
    guard fraction >= 0, fraction < 1 else { throw .unsupportedFraction(fraction) }
    var ranges: [Float] = []
    for matrix in matrices where !matrix.storage.isEmpty {
      if let place = matrix.firstNonFinite {
        throw .notFiniteWeight(row: place.row, column: place.column)
      }
      let quartiles = QuartileRange(of: matrix)
      ranges += matrix.storage.map { quartiles.range(of: $0) }
    }
    guard !ranges.isEmpty else { return 0 }
    let outliers = Int(fraction * Double(ranges.count))
    return max(Double(OrderStatistic.value(rank: ranges.count - 1 - outliers, of: ranges)), 0)
  }
}
