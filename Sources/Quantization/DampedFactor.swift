import Tensors

/// The factor of a damped inverse Hessian, and how it was obtained.
///
/// Matrices with the same input (gate and up of an expert; all levels of one matrix) can share it.
public struct DampedFactor: Sendable {
  /// The factor of one block on the Hessian's diagonal.
  public struct Block: Sendable {
    /// Positions in the order of rounding.
    public let positions: Range<Int>
    /// U with (H + λI)⁻¹ = Uᵀ U, rows and columns in the order of rounding.
    public let upper: Matrix
  }

  /// One if the Hessian is full; what lies outside the blocks is zero.
  public let blocks: [Block]
  public let order: ColumnOrder
  /// What was kept of the Hessian.
  public let storage: MomentStorage
  /// λ / mean(diag H).
  public let damping: Double
  public let escalations: Int
  /// Columns with H_ii = 0, rising; H_ii = 1 was put there, before the mean was taken.
  public let deadColumns: [Int]

  /// The damping at which raising it ends.
  static let largestDamping = 1.0

  /// Number of columns.
  public var columns: Int { order.columns.count }

  /// Factors H + λI; where that fails, λ grows tenfold up to the mean of the diagonal.
  ///
  /// - Parameters:
  ///   - hessian: H = 2 S / n, without damping. Blocks share λ, so that the factor is the one of
  ///     the full matrix with zeros outside the blocks.
  ///   - relativeDamping: λ / mean(diag H) to begin with; after 0 comes 0.01.
  ///   - columns: The order of rounding, decided before damping.
  /// - Throws: ``QuantizationError`` for Hessians that are not finite, zero, or not positive
  ///   definite even with λ = mean(diag H).
  /// - Complexity: n³/3 multiply-adds for each block of order n; 12n² bytes while it lasts, 4n²
  ///   after.
  public init(
    of hessian: SecondMoments, relativeDamping: Double, columns: ColumnRule = .natural
  ) throws(QuantizationError) {
    guard relativeDamping.isFinite, relativeDamping >= 0 else {
      throw .unsupportedDamping(relativeDamping)
    }
    var hessian = hessian
    var diagonal = hessian.diagonal
    deadColumns = try Self.deadColumns(diagonal)
    if !deadColumns.isEmpty {
      for column in deadColumns { diagonal[column] = 1 }
      hessian.diagonal = diagonal
    }
    let parts = hessian.blocks
    storage = hessian.storage
    let order = ColumnOrder(columns, diagonal: diagonal, blockSizes: parts.map(\.order))
    self.order = order
    let mean = diagonal.reduce(0) { $0 + Double($1) } / Double(max(diagonal.count, 1))
    (blocks, damping, escalations) = try Self.escalating(from: relativeDamping) {
      damping throws(CholeskyFailure) in
      try Self.blocks(parts, order: order, addingToDiagonal: damping * mean)
    }
  }

  /// The same for a full Hessian.
  public init(
    of hessian: SymmetricMatrix, relativeDamping: Double, columns: ColumnRule = .natural
  ) throws(QuantizationError) {
    try self.init(of: .full(hessian), relativeDamping: relativeDamping, columns: columns)
  }

  private static func deadColumns(_ diagonal: [Float]) throws(QuantizationError) -> [Int] {
    var dead: [Int] = []
    for (column, value) in diagonal.enumerated() {
      if value == 0 { dead.append(column) }
      if value < 0 { throw .negativeHessianDiagonal(column: column, value: value) }
    }
    guard dead.count < diagonal.count || dead.isEmpty else {
      throw .noCalibration(columns: diagonal.count)
    }
    return dead
  }

  private static func blocks(
    _ parts: [SymmetricMatrix], order: ColumnOrder, addingToDiagonal diagonal: Double
  ) throws(CholeskyFailure) -> [Block] {
    let permutes = !order.isNatural
    var blocks: [Block] = []
    var start = 0
    for part in parts {
      let positions = start..<start + part.order
      let local = order.columns[positions].map { $0 - start }
      do throws(CholeskyError) {
        let upper = try Cholesky.upperFactorOfInverse(
          of: permutes ? part.permuted(by: local) : part, addingToDiagonal: diagonal)
        blocks.append(Block(positions: positions, upper: upper))
      } catch {
        throw CholeskyFailure(cause: error, columns: Array(order.columns[positions]))
      }
      start = positions.upperBound
    }
    return blocks
  }
}

/// Which columns the rows of the matrix were that has no factor.
private struct CholeskyFailure: Error {
  let cause: CholeskyError
  let columns: [Int]
}

extension DampedFactor {
  private typealias Attempt = (blocks: [Block], damping: Double, escalations: Int)

  private static func escalating(
    from relativeDamping: Double, _ blocks: (Double) throws(CholeskyFailure) -> [Block]
  ) throws(QuantizationError) -> Attempt {
    var (damping, escalations) = (relativeDamping, 0)
    while true {
      do throws(CholeskyFailure) {
        return (try blocks(damping), damping, escalations)
      } catch {
        damping = try Self.damping(after: damping, failingWith: error)
        escalations += 1
      }
    }
  }

  private static func damping(
    after damping: Double, failingWith failure: CholeskyFailure
  ) throws(QuantizationError) -> Double {
    switch failure.cause {
    case .notFinite(let row, let column):
      throw .notFiniteHessian(row: failure.columns[row], column: failure.columns[column])
    case .notPositiveDefinite(let pivot, let order):
      guard damping < largestDamping else {
        throw .notPositiveDefinite(
          pivot: failure.columns[pivot], order: order, relativeDamping: damping)
      }
      return damping == 0 ? 0.01 : min(damping * 10, largestDamping)
    }
  }
}
