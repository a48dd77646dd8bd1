import Tensors

/// Linear outlier score of Li et al. 2024 (arXiv:2406.08155); the maximum makes it one number.
enum OutlierScore {
  /// max over inputs j of (max_i |W_ij|) / (mean_i |W_ij|); an all-zero input channel counts 0.
  static func of(_ weights: Matrix) -> Double {
    var largest = [Float](repeating: 0, count: weights.columns)
    var sum = [Double](repeating: 0, count: weights.columns)
    for row in 0..<weights.rows {
      for column in 0..<weights.columns {
        let magnitude = abs(weights[row, column])
        largest[column] = max(largest[column], magnitude)
        sum[column] += Double(magnitude)
      }
    }
    return zip(largest, sum).map { largest, sum in
      sum > 0 ? Double(largest) * Double(weights.rows) / sum : 0
    }.max() ?? 0
  }
}
