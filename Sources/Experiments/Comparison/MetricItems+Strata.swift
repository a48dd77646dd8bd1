import Statistics

extension MetricItems {
  /// Values as they would be if all strata had the same mean: each without what its stratum, over all
  /// runs, has above the mean of all.
  ///
  /// - Parameter runs: Values of these items in several runs.
  /// - Returns: Of the same shape; the means of the runs stay.
  func withoutStrata(_ runs: [[Double]]) -> [[Double]] {
    guard let strata, !runs.isEmpty else { return runs }
    let parts = Clusters(strata)
    let weights = weights ?? [Double](repeating: 1, count: values.count)
    let count = Double(runs.count)
    let means = values.indices.map { item in runs.reduce(0) { $0 + $1[item] } / count }
    let (sums, sizes) = (parts.sums(means, in: nil)[0], parts.sums(weights, in: nil)[0])
    let mean = means.reduce(0, +) / weights.reduce(0, +)
    return runs.map { run in
      run.indices.map { item in
        let part = parts.membership[item]
        return run[item] - (sums[part] / sizes[part] - mean) * weights[item]
      }
    }
  }
}
