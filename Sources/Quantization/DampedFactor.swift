import Tensors

/// The factor of a damped inverse Hessian, and how it was obtained.
///
/// Matrices with the same input (gate and up of an expert; all levels of one matrix) can share it.
public struct DampedFactor: Sendable {
  /// U with (H + λI)⁻¹ = Uᵀ U, shape `[n, n]`.
  public let upper: Matrix
  /// λ / mean(diag H).
  public let damping: Double
  public let escalations: Int
  /// Columns with H_ii = 0, in order; H_ii = 1 was put there, before the mean was taken.
  public let deadColumns: [Int]

  /// The damping at which raising it ends.
  static let largestDamping = 1.0

  /// Factors H + λI; where that fails, λ grows tenfold up to the mean of the diagonal.
  ///
  /// - Parameters:
  ///   - hessian: H = 2 S / n, without damping.
  ///   - relativeDamping: λ / mean(diag H) to begin with; after 0 comes 0.01.
  /// - Throws: ``QuantizationError`` for Hessians that are not finite, zero, or not positive
  ///   definite even with λ = mean(diag H).
  /// - Complexity: 2n³/3 multiply-adds; 12n² bytes while it lasts, 4n² after.
  public init(of hessian: SymmetricMatrix, relativeDamping: Double) throws(QuantizationError) {
    guard relativeDamping.isFinite, relativeDamping >= 0 else {
      throw .unsupportedDamping(relativeDamping)
    }
    deadColumns = try Self.deadColumns(of: hessian)
    var hessian = hessian
    for column in deadColumns { hessian.packed[column * (column + 3) / 2] = 1 }
    let mean = hessian.trace / Double(max(hessian.order, 1))
    var (damping, escalations) = (relativeDamping, 0)
    while true {
      do throws(CholeskyError) {
        upper = try Cholesky.upperFactorOfInverse(of: hessian, addingToDiagonal: damping * mean)
        break
      } catch {
        damping = try Self.damping(after: damping, failingWith: error)
        escalations += 1
      }
    }
    self.damping = damping
    self.escalations = escalations
  }

  private static func deadColumns(of hessian: SymmetricMatrix) throws(QuantizationError) -> [Int] {
    var dead: [Int] = []
    for (column, value) in hessian.diagonal.enumerated() {
      if value == 0 { dead.append(column) }
      if value < 0 { throw .negativeHessianDiagonal(column: column, value: value) }
    }
    guard dead.count < hessian.order || dead.isEmpty else {
      throw .noCalibration(columns: hessian.order)
    }
    return dead
  }

  private static func damping(
    after damping: Double, failingWith error: CholeskyError
  ) throws(QuantizationError) -> Double {
    switch error {
    case .notFinite(let row, let column):
      throw .notFiniteHessian(row: row, column: column)
    case .notPositiveDefinite(let pivot, let order):
      guard damping < largestDamping else {
        throw .notPositiveDefinite(pivot: pivot, order: order, relativeDamping: damping)
      }
      return damping == 0 ? 0.01 : min(damping * 10, largestDamping)
    }
  }
}
