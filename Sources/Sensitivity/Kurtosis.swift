import Tensors

/// How heavy the tails of a matrix's weights are.
enum Kurtosis {
  /// E[(w - E w)⁴] / (E[(w - E w)²])²; 0 where all weights are equal.
  static func of(_ weights: Matrix) -> Double {
    let count = Double(max(weights.rows * weights.columns, 1))
    let mean = sum(over: weights) { $0 } / count
    let squares = sum(over: weights) { ($0 - mean) * ($0 - mean) } / count
    guard squares > 0 else { return 0 }
    let fourth = sum(over: weights) { ($0 - mean) * ($0 - mean) * ($0 - mean) * ($0 - mean) }
    return fourth / count / (squares * squares)
  }

  private static func sum(over weights: Matrix, _ value: (Double) -> Double) -> Double {
    var sum = 0.0
    for row in 0..<weights.rows {
      for column in 0..<weights.columns { sum += value(Double(weights[row, column])) }
    }
    return sum
  }
}
