/// Kendall's τ-b: pairs in the same order less pairs in opposite order, corrected for ties.
///
/// τ-b = (C − D) / √((n₀ − n₁)(n₀ − n₂)) with n₀ all pairs, n₁ and n₂ the pairs tied in a and in b.
///
/// - Parameters:
///   - a: Measurements.
///   - b: As many, in the same order.
/// - Returns: −1...1; nil where one side is constant, has a NaN, or there are fewer than two.
/// - Complexity: O(n log n) time, by Knight's count of the exchanges of a merge sort.
/// - SeeAlso: Kendall 1945, "The treatment of ties in ranking problems"; Knight 1966, "A computer
///   method for calculating Kendall's tau with ungrouped data", doi:10.1080/01621459.1966.10480879.
public func kendallTau(_ a: [Double], _ b: [Double]) -> Double? {
  precondition(a.count == b.count, "\(a.count) values against \(b.count)")
  guard !a.contains(where: \.isNaN), !b.contains(where: \.isNaN) else { return nil }
  let pairs = zip(a, b).sorted { $0 < $1 }
  var second = pairs.map(\.1)
  let exchanges = sortCountingExchanges(&second)
  let tiedA = tiedPairs(pairs.map(\.0), by: ==)
  let tiedB = tiedPairs(second, by: ==)
  let tiedBoth = tiedPairs(pairs, by: ==)
  let all = a.count * (a.count - 1) / 2
  guard all > tiedA, all > tiedB else { return nil }
  let difference = all - tiedA - tiedB + tiedBoth - 2 * exchanges
  let scale = Double(all - tiedA).squareRoot() * Double(all - tiedB).squareRoot()
  return max(-1, min(1, Double(difference) / scale))
}

/// Pairs of equal elements, where equal elements stand together.
private func tiedPairs<Element>(
  _ sorted: [Element], by areEqual: (Element, Element) -> Bool
) -> Int {
  var (pairs, run) = (0, 0)
  for place in sorted.indices.dropFirst() {
    run = areEqual(sorted[place - 1], sorted[place]) ? run + 1 : 0
    pairs += run
  }
  return pairs
}

/// Sorts ascending and counts the pairs that stood in descending order.
private func sortCountingExchanges(_ values: inout [Double]) -> Int {
  var merged = values
  var (exchanges, width) = (0, 1)
  while width < values.count {
    for start in stride(from: 0, to: values.count, by: 2 * width) {
      let middle = min(start + width, values.count)
      let end = min(start + 2 * width, values.count)
      exchanges += merge(values, start, middle, end, into: &merged)
    }
    swap(&values, &merged)
    width *= 2
  }
  return exchanges
}

/// Merges two sorted runs; counts, for each element of the second, those of the first above it.
private func merge(
  _ values: [Double], _ start: Int, _ middle: Int, _ end: Int, into merged: inout [Double]
) -> Int {
  var (left, right, exchanges) = (start, middle, 0)
  for place in start..<end {
    if left < middle, right == end || values[left] <= values[right] {
      merged[place] = values[left]
      left += 1
    } else {
      exchanges += middle - left
      merged[place] = values[right]
      right += 1
    }
  }
  return exchanges
}
