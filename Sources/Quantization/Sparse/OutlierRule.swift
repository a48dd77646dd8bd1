public import Tensors

/// Which weights leave the dense part of a matrix.
///
/// First the sensitive values, those whose Fisher diagonal is strictly above the k-th largest for
/// k = ⌊fraction · weights⌋; then range outliers, |w| > T. Thresholds are those of the whole matrix. A
/// weight of 0 never leaves: there is nothing to keep.
/// - SeeAlso: Kim et al. 2023, "SqueezeLLM", arXiv:2306.07629; METHODS §2.4. Its code takes |w| >= T
///   where its configuration counts |w| > T; here both are >.
public struct OutlierRule: Sendable, Equatable {
  /// What makes a weight a range outlier.
  public enum RangeRule: Sendable, Equatable {
    case none
    /// Beyond T(r) of ``QuartileRange``.
    case quartiles(Double)
    /// The largest magnitudes of this matrix, at most this share of it; ties stay in the dense part.
    case fraction(Double)
  }

  /// The share of sensitive values, 0..<1.
  public var sensitiveFraction: Double
  public var range: RangeRule

  public init(sensitiveFraction: Double = 0, range: RangeRule = .none) {
    self.sensitiveFraction = sensitiveFraction
    self.range = range
  }

  /// 0.05 % sensitive values and 0.40 % range outliers.
  public static let published = OutlierRule(sensitiveFraction: 0.0005, range: .fraction(0.004))

  /// Chooses the outliers of a matrix.
  ///
  /// - Parameters:
  ///   - weights: W.
  ///   - fisher: The Fisher diagonal, shape of W; nil only without sensitive values.
  /// - Returns: Their places and how many came from which rule.
  /// - Throws: ``QuantizationError`` for numbers that are not finite, negative Fisher values, shapes that
  ///   differ and shares out of range.
  /// - Complexity: O(weights).
  public func outliers(
    in weights: Matrix, fisher: Matrix? = nil
  ) throws(QuantizationError) -> Outliers {
    guard sensitiveFraction >= 0, sensitiveFraction < 1 else {
      throw .unsupportedFraction(sensitiveFraction)
    }
    if let place = weights.firstNonFinite {
      throw .notFiniteWeight(row: place.row, column: place.column)
    }
    if let fisher { try WeightImportance.fisher(fisher).check(for: weights) }
    let sensitive = try sensitiveIndices(fisher, count: weights.storage.count)
    let threshold = try threshold(of: weights)
    var (indices, sensitiveCount) = ([Int](), 0)
    var next = 0
    for (index, weight) in weights.storage.enumerated() {
      let isSensitive = next < sensitive.count && sensitive[next] == index
      if isSensitive { next += 1 }
      guard weight != 0, isSensitive || Double(abs(weight)) > threshold else { continue }
      indices.append(index)
      if isSensitive { sensitiveCount += 1 }
    }
    return Outliers(
      rows: weights.rows, columns: weights.columns, indices: indices,
      sensitiveCount: sensitiveCount, threshold: threshold.isFinite ? threshold : nil)
  }

  /// Rising.
  private func sensitiveIndices(
    _ fisher: Matrix?, count: Int
  ) throws(QuantizationError) -> [Int] {
    guard sensitiveFraction > 0 else { return [] }
    guard let fisher else { throw .noSensitivity(fraction: sensitiveFraction) }
    let largest = Int(sensitiveFraction * Double(count))
    guard largest > 0 else { return [] }
    let threshold = OrderStatistic.value(rank: count - largest, of: fisher.storage)
    return fisher.storage.indices.filter { fisher.storage[$0] > threshold }
  }

  private func threshold(of weights: Matrix) throws(QuantizationError) -> Double {
    switch range {
    case .none: return .infinity
    case .quartiles(let range):
      guard range.isFinite, range >= 0 else { throw .unsupportedRange(range) }
      guard !weights.storage.isEmpty else { return .infinity }
      return QuartileRange(of: weights).threshold(range: range)
    case .fraction(let fraction):
      guard fraction >= 0, fraction < 1 else { throw .unsupportedFraction(fraction) }
      let count = Int(fraction * Double(weights.storage.count))
      guard count > 0 else { return .infinity }
      let rank = weights.storage.count - 1 - count
      return Double(OrderStatistic.value(rank: rank, of: weights.storage.map { abs($0) }))
    }
  }
}
