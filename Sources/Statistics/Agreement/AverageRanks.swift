/// Ranks from 1, ascending; equal values share the mean of the ranks they take up.
///
/// - Parameter values: Any numbers but NaN.
/// - Returns: Multiples of ½, shape `[values.count]`.
public func averageRanks(_ values: [Double]) -> [Double] {
  let order = values.indices.sorted { values[$0] < values[$1] }
  var ranks = [Double](repeating: 0, count: values.count)
  var start = 0
  while start < order.count {
    var end = start + 1
    while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
    // The mean of ranks start + 1 ... end.
    for place in start..<end { ranks[order[place]] = Double(start + 1 + end) / 2 }
    start = end
  }
  return ranks
}
