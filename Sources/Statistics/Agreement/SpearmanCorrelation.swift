/// Spearman's ρ: the correlation of the ranks, where equal values share their average rank.
///
/// - Parameters:
///   - a: Measurements.
///   - b: As many, in the same order.
/// - Returns: −1...1; nil where one side is constant, has a NaN, or there are fewer than two.
/// - SeeAlso: Spearman 1904, "The proof and measurement of association between two things".
public func spearmanCorrelation(_ a: [Double], _ b: [Double]) -> Double? {
  precondition(a.count == b.count, "\(a.count) values against \(b.count)")
  guard !a.contains(where: \.isNaN), !b.contains(where: \.isNaN) else { return nil }
  // The mean rank is known; halves add exactly.
  let mean = Double(a.count + 1) / 2
  let deviations = zip(averageRanks(a), averageRanks(b)).map { ($0 - mean, $1 - mean) }
  let squaresA = deviations.reduce(0) { $0 + $1.0 * $1.0 }
  let squaresB = deviations.reduce(0) { $0 + $1.1 * $1.1 }
  guard squaresA > 0, squaresB > 0 else { return nil }
  let products = deviations.reduce(0) { $0 + $1.0 * $1.1 }
  return max(-1, min(1, products / (squaresA.squareRoot() * squaresB.squareRoot())))
}
