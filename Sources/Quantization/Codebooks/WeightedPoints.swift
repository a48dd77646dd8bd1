/// Points on a line with weights, as one-dimensional k-means reads them.
///
/// Equal values are one point, and points without weight are left out: neither changes where the
/// best centers are.
struct WeightedPoints: Sendable, Equatable {
  /// Rising and distinct, shape `[count]`.
  let values: [Double]
  /// Above zero, shape `[count]`.
  let weights: [Double]
  /// Σ (x - x̄)² / n over all values, those without weight included, each counted once.
  let variance: Double

  /// - Parameters:
  ///   - values: x, finite, in any order.
  ///   - weights: w >= 0 and finite, one for each value.
  init(_ values: some Collection<Float>, weights: some Collection<Float>) {
    precondition(
      values.count == weights.count, "\(values.count) values, \(weights.count) weights")
    let mean = values.reduce(0) { $0 + Double($1) } / Double(max(values.count, 1))
    variance =
      values.reduce(0) { sum, value in
        let deviation = Double(value) - mean
        return sum + deviation * deviation
      } / Double(max(values.count, 1))
    let sorted = zip(values, weights).filter { $0.1 > 0 }.sorted { $0.0 < $1.0 }
    var (points, sums): ([Double], [Double]) = ([], [])
    points.reserveCapacity(sorted.count)
    sums.reserveCapacity(sorted.count)
    for (value, weight) in sorted {
      if points.last == Double(value) {
        sums[sums.count - 1] += Double(weight)
      } else {
        points.append(Double(value))
        sums.append(Double(weight))
      }
    }
    (self.values, self.weights) = (points, sums)
  }

  var count: Int { values.count }

  /// Σ w x / Σ w over some points.
  func mean(of range: Range<Int>) -> Double {
    var (sum, total) = (0.0, 0.0)
    for index in range {
      sum += weights[index] * values[index]
      total += weights[index]
    }
    return sum / total
  }

  /// Σ w (x - c)², c being the center nearest to x.
  ///
  /// - Parameter centers: Rising.
  /// - Returns: 0 without points.
  func loss(centers: [Double]) -> Double {
    guard !centers.isEmpty else { return 0 }
    var (center, sum) = (0, 0.0)
    for (value, weight) in zip(values, weights) {
      while center + 1 < centers.count, value - centers[center] > centers[center + 1] - value {
        center += 1
      }
      let error = value - centers[center]
      sum += weight * error * error
    }
    return sum
  }
}
