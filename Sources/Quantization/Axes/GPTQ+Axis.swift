public import Tensors

/// A matrix that GPTQ grouped along either axis, and what it took.
public struct AxisGPTQResult: Sendable, Equatable {
  public let matrix: AxisGroupedMatrix
  /// Equals tr(Δ (H + λI) Δᵀ) / 2, along either axis.
  public let loss: Double
  /// The relative damping that was used in the end.
  public let damping: Double
  /// How often the damping was raised because the factorization failed.
  public let dampingEscalations: Int
  /// Columns that no input excited; their weights were set to 0.
  public let deadColumns: Int
}

extension GPTQ {
  /// GPTQ with groups along either axis; the axis is decided beforehand, by ``AdaptiveAxis``.
  ///
  /// By input channel, each column has its own scale and zero point for every group of outputs: with
  /// ``GroupScales/fresh`` from the weights as they are when the column is reached, with
  /// ``GroupScales/stale`` as they were when its block began, with ``GroupScales/fixed`` from the original
  /// ones. Error feedback is the same, and there is no group index in any order of rounding.
  ///
  /// - Parameters:
  ///   - weights: W, shape `[outputs, inputs]`.
  ///   - factor: Of the damped Hessian, order `inputs`.
  ///   - axis: Of the channels that have groups.
  /// - Returns: The codes, the loss and what the factorization took.
  /// - Throws: ``QuantizationError``; by input channel, rows of scales are input channels.
  /// - Complexity: rows · columns² / 2 multiply-adds for a full Hessian.
  public func quantize(
    _ weights: Matrix, factor: DampedFactor, along axis: GroupingAxis
  ) throws(QuantizationError) -> AxisGPTQResult {
    guard axis == .inputChannel else {
      let result = try quantize(weights, factor: factor)
      return AxisGPTQResult(
        matrix: .outputChannel(result.packed), loss: result.loss, damping: result.damping,
        dampingEscalations: result.dampingEscalations, deadColumns: result.deadColumns)
    }
    // Blocks of the Hessian cannot split groups of outputs.
    try check(weights, order: factor.columns, storage: .full)
    let solver = InputChannelSolver(grid: grid, options: options, factor: factor)
    let size = solver.chunkRows(of: weights.rows)
    let chunks = concurrentTiles(rows: weights.rows, tileRows: size) { rows in
      Result { () throws(QuantizationError) in try solver.solve(weights, rows: rows) }
    }
    var (solutions, loss): ([InputChannelSolver.Solution], Double) = ([], 0)
    for chunk in chunks {
      solutions.append(try chunk.get())
      loss += solutions[solutions.count - 1].loss
    }
    var codes = GridCodes(grid: grid, rows: weights.columns, columns: weights.rows)
    for channel in 0..<weights.columns {
      codes.append(PackedTile(channel, of: solutions, bits: grid.bits))
    }
    return AxisGPTQResult(
      matrix: .inputChannel(TransposedPackedMatrix(transposed: codes.packed)), loss: loss,
      damping: factor.damping, dampingEscalations: factor.escalations,
      deadColumns: factor.deadColumns.count)
  }
}

extension PackedTile {
  /// One input channel over all chunks of rows.
  fileprivate init(_ channel: Int, of solutions: [InputChannelSolver.Solution], bits: Int) {
    var (codes, scales, zeros): ([UInt8], [Float], [UInt8]) = ([], [], [])
    for solution in solutions {
      let rows = solution.rows.count
      codes += solution.codes[channel * rows..<(channel + 1) * rows]
      let groups = solution.groups
      scales += solution.scales[channel * groups..<(channel + 1) * groups]
      zeros += solution.zeros[channel * groups..<(channel + 1) * groups]
    }
    self.init(codes: BitStream.packed(codes, bits: bits), scales: scales, zeros: zeros)
  }
}
