public import Tensors

extension CodebookQuantizer {
  /// Dense-and-sparse quantization: outliers are set to 0 before codebooks are found, and come back in
  /// the sparse part.
  ///
  /// A codebook need not hold 0, so the sparse part has what an outlier is beyond its code's value.
  ///
  /// - Parameters:
  ///   - weights: W, shape `[outputs, inputs]`.
  ///   - importance: What an error of a weight costs; that of outliers is not read.
  ///   - outliers: Places in W.
  /// - Returns: Both parts.
  /// - Throws: ``QuantizationError``.
  public func quantize(
    _ weights: Matrix, importance: WeightImportance, keeping outliers: Outliers
  ) throws(QuantizationError) -> DenseAndSparse<CodebookMatrix> {
    let dense = try quantize(outliers.removed(from: weights), importance: importance)
    let sparse = try outliers.sparsePart(of: weights, beyond: dense.dequantized())
    return DenseAndSparse(dense: dense, sparse: sparse)
  }
}

extension RoundToNearest {
  /// Rounds the weights that are not outliers; those are 0 to the grids, which hold 0 exactly.
  ///
  /// One bit has no 0: outliers count in the mean magnitude with 0, and the sparse part has what they
  /// are beyond their sign.
  ///
  /// - Parameters:
  ///   - weights: W, shape `[outputs, inputs]`.
  ///   - grid: Scales are per row and group of columns.
  ///   - outliers: Places in W.
  /// - Returns: Both parts.
  /// - Throws: ``QuantizationError``.
  public static func quantize(
    _ weights: Matrix, grid: AffineGrid, keeping outliers: Outliers
  ) throws(QuantizationError) -> DenseAndSparse<PackedMatrix> {
    let dense = try quantize(outliers.removed(from: weights), grid: grid)
    let sparse = try outliers.sparsePart(of: weights, beyond: dense.dequantized())
    return DenseAndSparse(dense: dense, sparse: sparse)
  }
}

extension GPTQ {
  /// GPTQ beside a sparse part.
  ///
  /// Outliers are 0 to the grids. When its column is reached, an outlier is kept as it is by then, that
  /// is with the errors of earlier columns made up for, in binary16; only that rounding is an error
  /// passed on. So an outlier takes over errors as other weights do and adds none, and the loss is still
  /// tr(Δ (H + λI) Δᵀ) / 2 of the sum of both parts. Keeping the checkpoint's value instead would turn
  /// every error it has taken over into a new one. SpQR treats its outliers likewise
  /// (Dettmers et al. 2023, arXiv:2306.03078).
  ///
  /// - Parameters:
  ///   - weights: W, shape `[outputs, inputs]`.
  ///   - factor: Of the damped Hessian, order `inputs`.
  ///   - outliers: Places in W.
  /// - Returns: Both parts, and how the solver fared; its matrix is the dense part.
  /// - Throws: ``QuantizationError``.
  /// - Complexity: That of ``quantize(_:factor:)``.
  public func quantize(
    _ weights: Matrix, factor: DampedFactor, keeping outliers: Outliers
  ) throws(QuantizationError) -> (matrix: DenseAndSparse<PackedMatrix>, result: GPTQResult) {
    try check(weights, order: factor.columns, storage: factor.storage)
    try outliers.check(for: weights)
    let solver = ColumnSolver<Float>(grid: grid, options: options, factor: factor)
    var solved = try solver.solved(weights, onto: [grid], keeping: outliers)
    solved.codes[0].groupIndex = solver.groupIndex
    let result = GPTQResult(
      packed: solved.codes[0].packed, loss: solved.loss, damping: factor.damping,
      dampingEscalations: factor.escalations, deadColumns: factor.deadColumns.count)
    let sparse = SparseMatrix(
      rows: weights.rows, columns: weights.columns, elements: solved.kept)
    return (DenseAndSparse(dense: result.packed, sparse: sparse), result)
  }
}
