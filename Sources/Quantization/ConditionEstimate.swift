import Statistics
import Tensors

/// The condition number of a damped Hessian, by power iteration on it and on its factored inverse.
///
/// Both extreme eigenvalues are approached from inside, so that the estimate is a lower bound; it is
/// within a few per cent where they are separated, which is enough to tell 10² from 10⁶.
public struct ConditionEstimate: Sendable, Equatable {
  /// λ_max (H + λI), times λ_max of its inverse.
  public let condition: Double
  /// λ / mean(diag H) that the factorization took.
  public let damping: Double

  private static let iterations = 50

  /// - Parameters:
  ///   - hessian: H = 2 S / n, without damping; not of large order n, since it is factored.
  ///   - relativeDamping: λ / mean(diag H) to begin with.
  /// - Throws: ``QuantizationError`` as ``DampedFactor``.
  /// - Complexity: n³ multiply-adds.
  public init(
    of hessian: SecondMoments, relativeDamping: Double
  ) throws(QuantizationError) {
    let factor = try DampedFactor(of: hessian, relativeDamping: relativeDamping)
    let mean = hessian.diagonal.reduce(0) { $0 + Double($1) } / Double(max(hessian.order, 1))
    let shift = factor.damping * mean
    let matrix = hessian.dense
    let largest = Self.largestEigenvalue(order: matrix.order) { matrix.times($0) } + shift
    let inverse = Self.largestEigenvalue(order: matrix.order) { factor.inverseTimes($0) }
    condition = largest * inverse
    damping = factor.damping
  }

  private static func largestEigenvalue(order: Int, _ apply: ([Double]) -> [Double]) -> Double {
    var generator = SeededGenerator(seed: 0)
    var x = (0..<order).map { _ in Double(generator.below(1000)) - 499.5 }
    var value = 0.0
    for _ in 0..<iterations {
      let norm = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
      guard norm > 0 else { return 0 }
      x = apply(x.map { $0 / norm })
      value = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
    }
    return value
  }
}

extension SymmetricMatrix {
  /// A x.
  fileprivate func times(_ x: [Double]) -> [Double] {
    var y = [Double](repeating: 0, count: order)
    var index = 0
    for row in 0..<order {
      var sum = 0.0
      for column in 0..<row {
        let value = Double(packed[index + column])
        sum += value * x[column]
        y[column] += value * x[row]
      }
      y[row] += sum + Double(packed[index + row]) * x[row]
      index += row + 1
    }
    return y
  }
}

extension DampedFactor {
  /// (H + λI)⁻¹ x = Uᵀ U x.
  fileprivate func inverseTimes(_ x: [Double]) -> [Double] {
    var result = [Double](repeating: 0, count: columns)
    for block in blocks {
      let (u, start) = (block.upper, block.positions.lowerBound)
      var y = [Double](repeating: 0, count: u.rows)
      for row in 0..<u.rows {
        for column in row..<u.columns { y[row] += Double(u[row, column]) * x[start + column] }
      }
      for row in 0..<u.rows {
        for column in row..<u.columns { result[start + column] += Double(u[row, column]) * y[row] }
      }
    }
    return result
  }
}
