extension GPTQ {
  /// The codes and the loss of a small matrix in f64, where weights may lie exactly between two
  /// codes in decimals: published numbers computed in f64 are met only so.
  ///
  /// - Parameters:
  ///   - weights: Rows of equal length, at most 16 of them.
  ///   - factor: Of the Hessian.
  /// - Returns: Codes row by row in the order of the columns, and Σ of the solver's losses.
  /// - Throws: ``QuantizationError``.
  public func solveInDouble(
    _ weights: [[Double]], factor: DampedFactor
  ) throws -> (codes: [[UInt8]], loss: Double) {
    precondition((1...16).contains(weights.count), "\(weights.count) rows")
    let columns = weights[0].count
    let lanes = (0..<columns).map { column in
      var lane = SIMD16<Double>()
      for row in weights.indices { lane[row] = weights[row][column] }
      return lane
    }
    let solved = try ColumnSolver<Double>(grid: grid, options: options, factor: factor)
      .solve([lanes], rows: 0..<weights.count)[0][0]
    let codes = weights.indices.map { row in
      (0..<columns).map { solved.tile.code(row: row, column: $0) }
    }
    return (codes, solved.loss)
  }
}
