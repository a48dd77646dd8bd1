import Tensors

/// Choices of the solver that change its results.
public struct GPTQOptions: Sendable, Equatable {
  /// λ = relativeDamping · mean(diag H) is added to the diagonal of H.
  public var relativeDamping: Double

  public init(relativeDamping: Double = 0.01) {
    self.relativeDamping = relativeDamping
  }
}

/// A quantized matrix and what it took.
public struct GPTQResult: Sendable, Equatable {
  public let packed: PackedMatrix
  /// Σ (w - ŵ)² / (2 U_ii²) over all weights as they were when rounded; equals
  /// tr(Δ (H + λI) Δᵀ) / 2.
  public let loss: Double
  /// The relative damping that was used in the end.
  public let damping: Double
  /// How often the damping was raised because the factorization failed.
  public let dampingEscalations: Int
  /// Columns that no input excited; their weights were set to 0.
  public let deadColumns: Int
}

/// GPTQ: rounds column by column and lets the later columns of a row make up for the error.
///
///     U: H⁻¹ = Uᵀ U, H damped        e = (w_i - ŵ_i) / U_ii
///     w_j -= e · U_ij  for j > i      loss += e² / 2
///
/// Scales of a group are chosen when its first column is reached, from the weights as updated up
/// to there ("fresh"; the published code misses the updates inside its block of 128 columns).
/// Columns are taken in their order. Weights are held in 32 bits, the factorization is in 64.
/// - SeeAlso: Frantar et al. 2022, arXiv:2210.17323; METHODS §2.2.
public struct GPTQ: Sendable {
  public let grid: AffineGrid
  public let options: GPTQOptions

  public init(grid: AffineGrid, options: GPTQOptions = GPTQOptions()) {
    self.grid = grid
    self.options = options
  }

  /// Codes a matrix so that its output on the calibration inputs changes little.
  ///
  /// - Parameters:
  ///   - weights: W, shape `[outputs, inputs]`.
  ///   - hessian: H = 2 S / n, order `inputs`, without damping.
  /// - Returns: The codes, the loss and what the factorization took.
  /// - Throws: ``QuantizationError`` for weights or Hessians that are not finite, a Hessian that is
  ///   zero, or one that is not positive definite even with λ = mean(diag H).
  /// - Complexity: rows · columns² / 2 + 2 columns³ / 3 multiply-adds.
  public func quantize(
    _ weights: Matrix, hessian: SymmetricMatrix
  ) throws(QuantizationError) -> GPTQResult {
    try check(weights, order: hessian.order)
    let factor = try DampedFactor(of: hessian, relativeDamping: options.relativeDamping)
    return try quantize(weights, factor: factor)
  }

  /// The same with a factor that is at hand; `options` are not read.
  ///
  /// - Parameters:
  ///   - weights: W, shape `[outputs, inputs]`.
  ///   - factor: Of the damped Hessian, order `inputs`.
  /// - Returns: The codes, the loss and what the factorization took.
  /// - Throws: ``QuantizationError`` for weights that are not finite and scales too large to store.
  /// - Complexity: rows · columns² / 2 multiply-adds.
  public func quantize(
    _ weights: Matrix, factor: DampedFactor
  ) throws(QuantizationError) -> GPTQResult {
    try check(weights, order: factor.upper.rows)
    let tiles = concurrentTiles(rows: weights.rows, tileRows: Lanes.scalarCount) { rows in
      Result { () throws(QuantizationError) in
        var lanes = weights.lanes(ofRows: rows)
        for column in factor.deadColumns { lanes[column] = Lanes() }
        return try solve(&lanes, rows: rows, factor: factor.upper.storage)
      }
    }
    var codes = GridCodes(grid: grid, rows: weights.rows, columns: weights.columns)
    var loss = 0.0
    for tile in tiles {
      let solved = try tile.get()
      codes.append(solved.tile)
      loss += solved.loss
    }
    return GPTQResult(
      packed: codes.packed, loss: loss, damping: factor.damping,
      dampingEscalations: factor.escalations, deadColumns: factor.deadColumns.count)
  }

  private func check(_ weights: Matrix, order: Int) throws(QuantizationError) {
    guard weights.columns == order else {
      throw .shapesDiffer(weights: [weights.rows, weights.columns], hessianOrder: order)
    }
    if let place = weights.firstNonFinite {
      throw .notFiniteWeight(row: place.row, column: place.column)
    }
  }

  /// Rounds the rows of one tile.
  ///
  /// - Parameters:
  ///   - weights: Up to sixteen rows, shape `[columns]`; holds the updated weights on return.
  ///   - rows: Where they lie in the matrix.
  ///   - factor: U, shape `[columns, columns]`.
  /// - Returns: Codes with their scales, and Σ e² / 2.
  /// - Throws: ``QuantizationError/scaleOverflow(scale:row:group:)``.
  func solve<Scalar: GridScalar>(
    _ weights: inout [SIMD16<Scalar>], rows: Range<Int>, factor: [Scalar]
  ) throws(QuantizationError) -> (tile: GridTile<Scalar>, loss: Double) {
    let columns = weights.count
    var tile = GridTile<Scalar>(grid: grid, rows: rows.count, columns: columns)
    var losses = SIMD16<Double>()
    for column in 0..<columns {
      if column.isMultiple(of: tile.groupSize) {
        try tile.startGroup(at: column, weights: weights, firstRow: rows.lowerBound)
      }
      let rounded = tile.round(weights[column], column: column)
      let error = (weights[column] - rounded) / factor[column * columns + column]
      let wide = SIMD16<Double>(error)
      losses += wide * wide
      subtract(error, times: factor, row: column, from: &weights)
    }
    return (tile, losses.sum() / 2)
  }

  /// w_j -= e · U_ij for every j > i.
  private func subtract<Scalar: GridScalar>(
    _ error: SIMD16<Scalar>, times factor: [Scalar], row: Int, from weights: inout [SIMD16<Scalar>]
  ) {
    let start = row * weights.count
    for column in row + 1..<weights.count {
      weights[column] -= error * factor[start + column]
    }
  }
}
