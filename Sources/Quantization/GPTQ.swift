import Tensors

/// What the scales of a group are computed from.
public enum GroupScales: String, Codable, Sendable, CaseIterable {
  /// The weights as updated by every column before the group.
  case fresh
  /// The weights as they were when the block of columns began that holds the group's first one:
  /// what the published code does. Fresh where groups begin with blocks.
  case stale
  /// The weights before anything was rounded, groups being those of the original order
  /// (`static_groups`); scales are then those of rounding to nearest.
  case fixed = "static"
}

/// Choices of the solver that change its results.
public struct GPTQOptions: Sendable, Equatable {
  /// λ = relativeDamping · mean(diag H) is added to the diagonal of H.
  public var relativeDamping: Double
  public var columns: ColumnRule
  public var scales: GroupScales
  /// Columns after which all later ones are updated. Changes results, rounding apart, only with
  /// ``GroupScales/stale``.
  public var blockSize: Int

  public init(
    relativeDamping: Double = 0.01, columns: ColumnRule = .natural, scales: GroupScales = .fresh,
    blockSize: Int = 128
  ) {
    self.relativeDamping = relativeDamping
    self.columns = columns
    self.scales = scales
    self.blockSize = blockSize
  }
}

/// A quantized matrix and what it took.
public struct GPTQResult: Sendable, Equatable {
  /// In the order of the columns; has a ``PackedMatrix/groupIndex`` if groups follow the order of
  /// rounding and that is another one.
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

extension ColumnSolver<Float> {
  /// All rows of a matrix, slice by slice.
  func solved(
    _ weights: Matrix, onto grids: [AffineGrid], keeping outliers: Outliers? = nil
  ) throws(QuantizationError) -> (
    codes: [GridCodes], kept: [SparseMatrix.Element], loss: Double
  ) {
    let chunks = concurrentTiles(rows: weights.rows, tileRows: chunkRows) { rows in
      Result { () throws(QuantizationError) in
        let lanes = outliers?.lanes(ofRows: rows) ?? []
        return try solve(weights.tiles(ofRows: rows), rows: rows, outliers: lanes).map { slice in
          (
            tiles: slice.map { PackedTile($0.tile) }, kept: slice.flatMap(\.kept),
            loss: slice.reduce(0) { $0 + $1.loss }
          )
        }
      }
    }
    var codes = zip(grids, columnCounts).map { grid, columns in
      GridCodes(grid: grid, rows: weights.rows, columns: columns)
    }
    var (kept, loss): ([SparseMatrix.Element], Double) = ([], 0)
    for chunk in chunks {
      for (index, slice) in try chunk.get().enumerated() {
        for tile in slice.tiles { codes[index].append(tile) }
        kept += slice.kept
        loss += slice.loss
      }
    }
    return (codes, kept, loss)
  }
}

/// GPTQ: rounds column by column and lets the later columns of a row make up for the error.
///
///     U: H⁻¹ = Uᵀ U, H damped        e = (w_i - ŵ_i) / U_ii
///     w_j -= e · U_ij  for j > i      loss += e² / 2
///
/// Weights are held in 32 bits, the factorization is in 64. With a diagonal Hessian no column makes
/// up for another, and codes are those of rounding to nearest.
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
  ///   zero, one that is not positive definite even with λ = mean(diag H), or one whose blocks
  ///   split groups.
  /// - Complexity: rows · columns² / 2 + columns³ / 3 multiply-adds for a full Hessian.
  public func quantize(
    _ weights: Matrix, hessian: SecondMoments
  ) throws(QuantizationError) -> GPTQResult {
    try check(weights, order: hessian.order, storage: hessian.storage)
    let factor = try DampedFactor(
      of: hessian, relativeDamping: options.relativeDamping, columns: options.columns)
    return try quantize(weights, factor: factor)
  }

  /// The same for a full Hessian.
  public func quantize(
    _ weights: Matrix, hessian: SymmetricMatrix
  ) throws(QuantizationError) -> GPTQResult {
    try quantize(weights, hessian: .full(hessian))
  }

  /// The same with a factor that is at hand; damping and order of the columns are the factor's.
  ///
  /// - Parameters:
  ///   - weights: W, shape `[outputs, inputs]`.
  ///   - factor: Of the damped Hessian, order `inputs`.
  /// - Returns: The codes, the loss and what the factorization took.
  /// - Throws: ``QuantizationError`` for weights that are not finite, scales too large to store, and
  ///   blocks that split groups.
  /// - Complexity: rows · columns² / 2 multiply-adds for a full Hessian.
  public func quantize(
    _ weights: Matrix, factor: DampedFactor
  ) throws(QuantizationError) -> GPTQResult {
    try check(weights, order: factor.columns, storage: factor.storage)
    let solver = ColumnSolver<Float>(grid: grid, options: options, factor: factor)
    var (codes, _, loss) = try solver.solved(weights, onto: [grid])
    codes[0].groupIndex = solver.groupIndex
    return GPTQResult(
      packed: codes[0].packed, loss: loss, damping: factor.damping,
      dampingEscalations: factor.escalations, deadColumns: factor.deadColumns.count)
  }

  /// Rounds a matrix whose columns lie in slices of different bits: the error of a slice goes to the
  /// rest of its own columns and to all later slices.
  ///
  /// - Parameters:
  ///   - weights: W, shape `[outputs, inputs]`, columns in the order of rounding.
  ///   - slices: Bits and number of columns of each slice; groups restart where one begins.
  ///   - family: Grids of any bits.
  ///   - options: Of the solver; its order of columns is not read.
  ///   - factor: Of the damped Hessian of these columns in this order.
  /// - Returns: Each slice, `[outputs, columns of the slice]`, and the loss of all together.
  /// - Throws: ``QuantizationError``.
  /// - Complexity: rows · columns² / 2 multiply-adds for a full Hessian.
  public static func quantize(
    _ weights: Matrix, slices: [(bits: Int, columns: Int)], family: GridFamily,
    options: GPTQOptions, factor: DampedFactor
  ) throws(QuantizationError) -> (slices: [PackedMatrix], loss: Double) {
    let solved = try solved(
      weights, slices: slices, family: family, options: options, factor: factor, keeping: nil)
    return (solved.slices, solved.loss)
  }

  /// The same beside outliers, whose places are those of the columns in this order.
  static func solved(
    _ weights: Matrix, slices: [(bits: Int, columns: Int)], family: GridFamily,
    options: GPTQOptions, factor: DampedFactor, keeping outliers: Outliers?
  ) throws(QuantizationError) -> (
    slices: [PackedMatrix], kept: [SparseMatrix.Element], loss: Double
  ) {
    var grids: [AffineGrid] = []
    for slice in slices { grids.append(try family.grid(bits: slice.bits)) }
    guard let first = grids.first else { preconditionFailure("no slices") }
    try GPTQ(grid: first, options: options)
      .check(weights, order: factor.columns, storage: factor.storage)
    try outliers?.check(for: weights)
    let solver = ColumnSolver<Float>(
      slices: zip(grids, slices).map { ($0, $1.columns) }, options: options, factor: factor)
    let (codes, kept, loss) = try solver.solved(weights, onto: grids, keeping: outliers)
    return (codes.map(\.packed), kept, loss)
  }

  func check(
    _ weights: Matrix, order: Int, storage: MomentStorage
  ) throws(QuantizationError) {
    guard weights.columns == order else {
      throw .shapesDiffer(weights: [weights.rows, weights.columns], hessianOrder: order)
    }
    guard options.blockSize >= 1 else { throw .unsupportedBlockSize(options.blockSize) }
    if case .blockDiagonal(let blockSize) = storage, let groupSize = grid.groupSize,
      !blockSize.isMultiple(of: groupSize)
    {
      throw .blockSplitsGroup(blockSize: blockSize, groupSize: groupSize)
    }
    if let place = weights.firstNonFinite {
      throw .notFiniteWeight(row: place.row, column: place.column)
    }
  }
}
