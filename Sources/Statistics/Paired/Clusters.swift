/// Which items belong together: questions on one passage, windows of one document.
///
/// Items of a cluster share what makes them easy or hard, so that only clusters count as independent.
public struct Clusters: Sendable, Equatable {
  /// The cluster of each item, numbered from 0 in order of first appearance.
  public let membership: [Int]
  /// Number of clusters.
  public let count: Int

  /// Groups items of equal names.
  ///
  /// - Parameter names: One per item, such as the document it comes from.
  public init<Name: Hashable>(_ names: [Name]) {
    var numbers: [Name: Int] = [:]
    membership = names.map { name in
      if let number = numbers[name] { return number }
      let number = numbers.count
      numbers[name] = number
      return number
    }
    count = numbers.count
  }

  /// Every item on its own.
  ///
  /// - Parameter itemCount: Number of items.
  public init(singletons itemCount: Int) {
    membership = Array(0..<itemCount)
    count = itemCount
  }

  /// The sums of the clusters of each stratum; all in one where there are no strata.
  public func sums(_ values: [Double], in strata: Clusters?) -> [[Double]] {
    let all = sums(values)
    guard let strata else { return [all] }
    var stratum = [Int](repeating: 0, count: count)
    for (cluster, part) in zip(membership, strata.membership) { stratum[cluster] = part }
    var parts = [[Double]](repeating: [], count: strata.count)
    for (cluster, sum) in all.enumerated() { parts[stratum[cluster]].append(sum) }
    return parts.filter { !$0.isEmpty }
  }

  /// The clusters of each stratum; all in one where there are no strata, or where one of them has a
  /// single cluster, which says nothing of its error.
  ///
  /// - Parameter strata: Of the same items, a whole cluster in one; nil: one stratum.
  /// - Returns: Numbers of clusters, rising within each stratum.
  func parts(in strata: Clusters?) -> [[Int]] {
    guard let strata else { return [Array(0..<count)] }
    var parts = [[Int]](repeating: [], count: strata.count)
    var seen = [Bool](repeating: false, count: count)
    for (cluster, part) in zip(membership, strata.membership) where !seen[cluster] {
      seen[cluster] = true
      parts[part].append(cluster)
    }
    return parts.contains { $0.count < 2 } ? [Array(0..<count)] : parts
  }

  /// Adds up one value per item within each cluster, shape `[count]`.
  func sums(_ values: [Double]) -> [Double] {
    var sums = [Double](repeating: 0, count: count)
    for (cluster, value) in zip(membership, values) { sums[cluster] += value }
    return sums
  }
}
