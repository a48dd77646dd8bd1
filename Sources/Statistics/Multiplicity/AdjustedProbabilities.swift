/// Holm's adjusted p-values: which of a family hold while the chance of any false one is bounded.
///
/// `p̃₍ᵢ₎ = max over j ≤ i of min(1, (m − j + 1) p₍ⱼ₎)` over the sorted p-values; claim every item
/// with `p̃ ≤ α`. Valid under any dependence.
///
/// - Parameter probabilities: Two-sided p-values of one family, for example one table.
/// - Returns: Adjusted values in the same order, never below the given ones.
/// - Throws: ``StatisticsError/outside(_:value:allowed:)`` for a value not in 0...1.
/// - SeeAlso: Holm 1979, "A simple sequentially rejective multiple test procedure".
public func holmAdjusted(_ probabilities: [Double]) throws(StatisticsError) -> [Double] {
  for value in probabilities { try requireProbability(value, "A p-value") }
  let order = sortedPlaces(probabilities)
  var adjusted = probabilities
  var largest = 0.0
  for (rank, place) in order.enumerated() {
    largest = max(largest, min(1, Double(order.count - rank) * probabilities[place]))
    adjusted[place] = largest
  }
  return adjusted
}

/// Benjamini and Hochberg's adjusted p-values: they bound the share of false claims, not their
/// existence.
///
/// `p̃₍ᵢ₎ = min over j ≥ i of min(1, m p₍ⱼ₎ / j)`, for independent or positively dependent tests.
///
/// - Parameter probabilities: Two-sided p-values of one family.
/// - Returns: Adjusted values in the same order, never above Holm's.
/// - Throws: ``StatisticsError/outside(_:value:allowed:)`` for a value not in 0...1.
/// - SeeAlso: Benjamini and Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.
public func benjaminiHochbergAdjusted(
  _ probabilities: [Double]
) throws(StatisticsError) -> [Double] {
  for value in probabilities { try requireProbability(value, "A p-value") }
  let order = sortedPlaces(probabilities)
  var adjusted = probabilities
  var smallest = 1.0
  for (rank, place) in order.enumerated().reversed() {
    // The factor of the largest is exactly 1, so that no value falls below its own.
    let factor = Double(order.count) / Double(rank + 1)
    smallest = min(smallest, factor * probabilities[place])
    adjusted[place] = smallest
  }
  return adjusted
}

private func sortedPlaces(_ values: [Double]) -> [Int] {
  values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
}
