import Foundation
import Statistics

/// Weighted k-means on a line by Lloyd's method from k-means++ centers, as scikit-learn has it.
///
/// A local optimum that depends on the seed; ``OptimalClustering`` never loses more. It is here to
/// repeat what SqueezeLLM does: the first center is drawn by weight, each later one is the best of
/// 2 + ⌊ln k⌋ drawn by w · D²; a center without points moves to the point farthest from its own. Draws
/// are those of ``SeededGenerator``, so centers are not scikit-learn's to the last digit.
/// - SeeAlso: Arthur and Vassilvitskii 2007, "k-means++"; METHODS §2.4.
struct LloydClustering {
  /// Iterations at most.
  let iterations: Int
  /// Ends when Σ (centers' moves)² <= tolerance · variance of the values.
  let tolerance: Double

  /// Finds centers.
  ///
  /// - Parameters:
  ///   - points: Sorted, with weights.
  ///   - clusters: k >= 1.
  ///   - generator: Of the first centers.
  /// - Returns: min(k, points) centers, rising.
  /// - Complexity: O(k n log k) for the first centers, O(n) an iteration.
  func centers(
    of points: WeightedPoints, clusters: Int, using generator: inout SeededGenerator
  ) -> [Double] {
    precondition(clusters > 0, "\(clusters) clusters")
    guard points.count > clusters else { return points.values }
    var centers = Self.firstCenters(of: points, clusters: clusters, using: &generator)
    for _ in 0..<iterations {
      let moved = Self.means(of: points, centers: centers)
      let distance = zip(moved, centers).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      centers = moved.sorted()
      if distance <= tolerance * points.variance { break }
    }
    return centers
  }

  private static func firstCenters(
    of points: WeightedPoints, clusters: Int, using generator: inout SeededGenerator
  ) -> [Double] {
    let trials = 2 + Int(log(Double(clusters)))
    let first = draw(points.weights, using: &generator)
    var centers = [points.values[first]]
    // w · D² to the nearest center so far.
    var losses = Self.losses(points, points.values[first], nil)
    while centers.count < clusters {
      var best: (center: Double, losses: [Double], sum: Double)?
      for _ in 0..<trials {
        let center = points.values[draw(losses, using: &generator)]
        let candidate = Self.losses(points, center, losses)
        let sum = candidate.reduce(0, +)
        let smallest = best?.sum ?? .infinity
        if sum < smallest { best = (center, candidate, sum) }
      }
      guard let best else { break }
      centers.append(best.center)
      losses = best.losses
    }
    return centers.sorted()
  }

  private static func losses(
    _ points: WeightedPoints, _ center: Double, _ before: [Double]?
  ) -> [Double] {
    points.values.indices.map { index in
      let distance = points.values[index] - center
      let loss = points.weights[index] * distance * distance
      guard let before else { return loss }
      return min(before[index], loss)
    }
  }

  /// An index with a probability in proportion to its weight; 53 random bits.
  private static func draw(_ weights: [Double], using generator: inout SeededGenerator) -> Int {
    let total = weights.reduce(0, +)
    let target = Double(generator.next() >> 11) * 0x1p-53 * total
    var sum = 0.0
    for (index, weight) in weights.enumerated() {
      sum += weight
      if sum > target { return index }
    }
    return weights.count - 1
  }

  /// The weighted mean of the points nearest to each center, in the order of the centers.
  private static func means(of points: WeightedPoints, centers: [Double]) -> [Double] {
    var sums = [Double](repeating: 0, count: centers.count)
    var weights = sums
    var nearest = [Int](repeating: 0, count: points.count)
    var center = 0
    for (index, value) in points.values.enumerated() {
      while center + 1 < centers.count, value - centers[center] > centers[center + 1] - value {
        center += 1
      }
      nearest[index] = center
      sums[center] += points.weights[index] * value
      weights[center] += points.weights[index]
    }
    let empty = centers.indices.filter { weights[$0] == 0 }
    if !empty.isEmpty {
      let farthest = points.values.indices.sorted { a, b in
        let distances = [a, b].map { abs(points.values[$0] - centers[nearest[$0]]) }
        return distances[0] == distances[1] ? a < b : distances[0] > distances[1]
      }
      for (center, point) in zip(empty, farthest) {
        let (value, weight) = (points.values[point], points.weights[point])
        sums[nearest[point]] -= weight * value
        weights[nearest[point]] -= weight
        (sums[center], weights[center]) = (weight * value, weight)
      }
    }
    return centers.indices.map { weights[$0] > 0 ? sums[$0] / weights[$0] : centers[$0] }
  }
}
