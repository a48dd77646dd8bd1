import CKernels

extension PackedLinear {
  /// Rows that a thread takes at a time, about 2¹⁸ weights: waking a thread costs as much as fewer. A
  /// multiple of the rows that kernels take together.
  var chunkRows: Int { max(64, ((1 << 18) / max(columns, 1) + 7) / 8 * 8) }

  /// `y = W x + S x`.
  ///
  /// - Parameters:
  ///   - x: Shape `[columns]`.
  ///   - level: Instruction set.
  ///   - activations: What x is taken for.
  /// - Returns: y, shape `[rows]`.
  public func multiply(
    _ x: [Float], level: KernelLevel = .best, activations: Activations = .exact
  ) -> [Float] {
    multiply(
      Matrix(rows: 1, columns: x.count, storage: x), level: level, activations: activations
    ).storage
  }

  /// `Y = X Wᵀ + X Sᵀ`; up to eight vectors share the unpacked weights.
  ///
  /// - Parameters:
  ///   - x: Vectors, shape `[count, columns]`.
  ///   - level: Instruction set.
  ///   - activations: What x is taken for.
  /// - Returns: Shape `[count, rows]`.
  public func multiply(
    _ x: Matrix, level: KernelLevel = .best, activations: Activations = .exact
  ) -> Matrix {
    precondition(x.columns == columns, "inputs of \(x.columns) for \(columns) columns")
    var y = Matrix(rows: x.rows, columns: rows)
    x.storage.withUnsafeBufferPointer { x in
      y.storage.withUnsafeMutableBufferPointer { y in
        guard let from = x.baseAddress, let to = y.baseAddress else { return }
        multiply(
          from, count: x.count / max(columns, 1), to: to, level: level,
          activations: activations)
      }
    }
    return y
  }

  /// `y[n] = W x[n] + S x[n]`.
  ///
  /// - Parameters:
  ///   - x: Shape `[count, columns]`.
  ///   - count: Vectors.
  ///   - y: Written, shape `[count, rows]`.
  ///   - level: Instruction set.
  ///   - activations: What x is taken for.
  public func multiply(
    _ x: UnsafePointer<Float>, count: Int, to y: UnsafeMutablePointer<Float>,
    level: KernelLevel = .best, activations: Activations = .exact
  ) {
    let inputs = stride(from: 0, to: count, by: 8).map { start in
      PackedInput(
        x + start * columns, count: min(8, count - start), for: self, level: level,
        activations: activations)
    }
    // SAFETY: chunks write their own rows of y; y outlives the loop.
    nonisolated(unsafe) let y = y
    forEachChunk(of: rows, size: chunkRows) { range in
      for (place, input) in inputs.enumerated() {
        multiply(rows: range, input: input, to: y + place * 8 * rows, level: level)
      }
    }
  }

  /// One thread's rows of a product.
  ///
  /// - Parameters:
  ///   - range: Rows.
  ///   - input: The vectors, arranged for these weights.
  ///   - y: Written, or added to, shape `[batch, rows]`.
  ///   - adding: Whether to add to y.
  ///   - level: Instruction set.
  func multiply(
    rows range: Range<Int>, input: PackedInput, to y: UnsafeMutablePointer<Float>,
    adding: Bool = false, level: KernelLevel
  ) {
    let batch = input.count
    if input.arranged.batch == batch {
      multiply(rows: range, input.arranged, to: y, stride: rows, adding: adding, level: level)
    } else {
      multiplyPadded(
        rows: range, input: input.arranged, batch: batch, to: y, adding: adding, level: level)
    }
    guard let sparse else { return }
    input.withVectors { sparse.add(rows: range, x: $0, batch: batch, to: y) }
  }

  /// The dense part with all vectors of the kernels' batch.
  private func multiply(
    rows range: Range<Int>, _ input: ArrangedInput, to y: UnsafeMutablePointer<Float>,
    stride: Int, adding: Bool, level: KernelLevel
  ) {
    var view = view
    if let rounded = input.rounded {
      var inputView = rounded.view
      ck_int8_multiply(
        rounded.path.ckPath, &view, range.lowerBound, range.upperBound, &inputView, y, stride,
        adding)
    } else {
      var inputView = input.view
      ck_multiply(
        level.ckLevel, &view, range.lowerBound, range.upperBound, &inputView, y, stride, adding)
    }
  }

  /// The same where the kernels' batch is larger than ours: y has no room for the rest.
  private func multiplyPadded(
    rows range: Range<Int>, input: ArrangedInput, batch: Int, to y: UnsafeMutablePointer<Float>,
    adding: Bool, level: KernelLevel
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: input.batch * range.count) { room in
      guard let base = room.baseAddress else { return }
      room.initialize(repeating: 0)
      // SAFETY: kernels write at `n * stride + row` for rows of the range, so that the first row
      // of the range lands on the first place.
      let shifted = base - range.lowerBound
      multiply(
        rows: range, input, to: shifted, stride: range.count, adding: false, level: level)
      for n in 0..<batch {
        for row in range {
          let value = shifted[n * range.count + row]
          y[n * rows + row] = adding ? y[n * rows + row] + value : value
        }
      }
    }
  }
}
