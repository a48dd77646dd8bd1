import CKernels

extension PackedLinear {
  /// Rows that a thread takes at a time; a multiple of the rows that kernels take together.
  static let chunkRows = 64

  /// `y = W x + S x`.
  ///
  /// - Parameters:
  ///   - x: Shape `[columns]`.
  ///   - level: Instruction set.
  /// - Returns: y, shape `[rows]`.
  public func multiply(_ x: [Float], level: KernelLevel = .best) -> [Float] {
    multiply(Matrix(rows: 1, columns: x.count, storage: x), level: level).storage
  }

  /// `Y = X Wᵀ + X Sᵀ`; up to eight vectors share the unpacked weights.
  ///
  /// - Parameters:
  ///   - x: Vectors, shape `[count, columns]`.
  ///   - level: Instruction set.
  /// - Returns: Shape `[count, rows]`.
  public func multiply(_ x: Matrix, level: KernelLevel = .best) -> Matrix {
    precondition(x.columns == columns, "inputs of \(x.columns) for \(columns) columns")
    var y = Matrix(rows: x.rows, columns: rows)
    x.storage.withUnsafeBufferPointer { x in
      y.storage.withUnsafeMutableBufferPointer { y in
        guard let from = x.baseAddress, let to = y.baseAddress else { return }
        multiply(from, count: x.count / max(columns, 1), to: to, level: level)
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
  public func multiply(
    _ x: UnsafePointer<Float>, count: Int, to y: UnsafeMutablePointer<Float>,
    level: KernelLevel = .best
  ) {
    for start in stride(from: 0, to: count, by: 8) {
      let batch = min(8, count - start)
      let input = ArrangedInput(x + start * columns, count: batch, for: self, level: level)
      // SAFETY: chunks write their own rows of y; x and y outlive the loop.
      nonisolated(unsafe) let (from, to) = (x + start * columns, y + start * rows)
      forEachChunk(of: rows, size: Self.chunkRows) { range in
        multiply(rows: range, input: input, x: from, batch: batch, to: to, level: level)
      }
    }
  }

  /// One thread's rows of a product.
  ///
  /// - Parameters:
  ///   - range: Rows.
  ///   - input: The vectors, arranged for these weights.
  ///   - x: The vectors, shape `[batch, columns]`; read by the sparse part.
  ///   - batch: Vectors that count, 1…8.
  ///   - y: Written, or added to, shape `[batch, rows]`.
  ///   - adding: Whether to add to y.
  ///   - level: Instruction set.
  func multiply(
    rows range: Range<Int>, input: ArrangedInput, x: UnsafePointer<Float>, batch: Int,
    to y: UnsafeMutablePointer<Float>, adding: Bool = false, level: KernelLevel
  ) {
    var (view, inputView) = (view, input.view)
    if input.batch == batch {
      ck_multiply(
        level.ckLevel, &view, range.lowerBound, range.upperBound, &inputView, y, rows, adding)
    } else {
      multiplyPadded(rows: range, input: input, batch: batch, to: y, adding: adding, level: level)
    }
    sparse?.add(rows: range, x: x, batch: batch, to: y)
  }

  /// The same where the kernels' batch is larger than ours: y has no room for the rest.
  private func multiplyPadded(
    rows range: Range<Int>, input: ArrangedInput, batch: Int, to y: UnsafeMutablePointer<Float>,
    adding: Bool, level: KernelLevel
  ) {
    var (view, inputView) = (view, input.view)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: input.batch * range.count) { room in
      guard let base = room.baseAddress else { return }
      room.initialize(repeating: 0)
      // SAFETY: kernels write at `n * stride + row` for rows of the range, so that the first row
      // of the range lands on the first place.
      let shifted = base - range.lowerBound
      ck_multiply(
        level.ckLevel, &view, range.lowerBound, range.upperBound, &inputView, shifted, range.count,
        false)
      for n in 0..<batch {
        for row in range {
          let value = shifted[n * range.count + row]
          y[n * rows + row] = adding ? y[n * rows + row] + value : value
        }
      }
    }
  }
}
