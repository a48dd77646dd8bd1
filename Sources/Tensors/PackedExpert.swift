/// A gated expert `down · (silu(gate x) ⊙ up x)` whose neurons lie in blocks of uniform bits.
///
/// Any order of the neurons computes the same function, so blocks are rows of gate and up and
/// columns of down, and no neuron is moved when it runs.
public struct PackedExpert: Sendable {
  /// Neurons of one bit-width.
  public struct Slice: Sendable {
    /// Shape `[neurons, inputs]`.
    public let gate: PackedLinear
    /// Shape `[neurons, inputs]`.
    public let up: PackedLinear
    /// Shape `[outputs, neurons]`.
    public let down: PackedLinear

    public init(gate: PackedLinear, up: PackedLinear, down: PackedLinear) {
      precondition(
        gate.rows == up.rows && gate.columns == up.columns && down.columns == gate.rows,
        "gate [\(gate.rows), \(gate.columns)], up [\(up.rows), \(up.columns)], down "
          + "[\(down.rows), \(down.columns)]")
      (self.gate, self.up, self.down) = (gate, up, down)
    }
  }

  public let slices: [Slice]
  public let inputs: Int
  public let neurons: Int
  public let outputs: Int

  public init(slices: [Slice]) {
    guard let first = slices.first else { preconditionFailure("an expert without neurons") }
    precondition(
      slices.allSatisfy {
        $0.gate.columns == first.gate.columns && $0.down.rows == first.down.rows
      }, "slices differ in inputs or outputs")
    self.slices = slices
    inputs = first.gate.columns
    outputs = first.down.rows
    neurons = slices.reduce(0) { $0 + $1.gate.rows }
  }

  /// Bytes that one token reads.
  public var bytes: Int {
    slices.reduce(0) { $0 + $1.gate.bytes + $1.up.bytes + $1.down.bytes }
  }

  /// The expert's outputs; up to eight tokens share the unpacked weights.
  ///
  /// - Parameters:
  ///   - x: Tokens, shape `[count, inputs]`.
  ///   - level: Instruction set.
  ///   - activations: What inputs of products are taken for.
  /// - Returns: Shape `[count, outputs]`.
  public func apply(
    _ x: Matrix, level: KernelLevel = .best, activations: Activations = .exact
  ) -> Matrix {
    precondition(x.columns == inputs, "inputs of \(x.columns) for \(inputs)")
    var result = Matrix(rows: x.rows, columns: outputs)
    x.storage.withUnsafeBufferPointer { x in
      result.storage.withUnsafeMutableBufferPointer { y in
        guard let from = x.baseAddress, let to = y.baseAddress else { return }
        apply(from, count: x.count / inputs, to: to, level: level, activations: activations)
      }
    }
    return result
  }

  /// The same in place.
  ///
  /// - Parameters:
  ///   - x: Tokens, shape `[count, inputs]`.
  ///   - count: How many.
  ///   - y: Written, shape `[count, outputs]`.
  ///   - level: Instruction set.
  ///   - activations: What inputs of products are taken for.
  public func apply(
    _ x: UnsafePointer<Float>, count: Int, to y: UnsafeMutablePointer<Float>,
    level: KernelLevel = .best, activations: Activations = .exact
  ) {
    let arrange = { (x: UnsafePointer<Float>, weights: PackedLinear) in
      stride(from: 0, to: count, by: 8).map { start in
        PackedInput(
          x + start * weights.columns, count: min(8, count - start), for: weights, level: level,
          activations: activations)
      }
    }
    let hidden = slices.map { AlignedBytes(count: 2 * count * $0.gate.rows * 4) }
    multiplyInputs(x, count: count, to: hidden, level: level, arrange: arrange)
    for (slice, memory) in zip(slices, hidden) {
      // SAFETY: chunks read and write their own tokens.
      nonisolated(unsafe) let gate = memory.base.assumingMemoryBound(to: Float.self)
      let width = slice.gate.rows
      forEachChunk(of: count, size: 8) { tokens in
        let (start, elements) = (gate + tokens.lowerBound * width, tokens.count * width)
        VectorMath.swiGLU(gate: start, up: start + count * width, into: start, count: elements)
      }
    }
    let inputs = zip(slices, hidden).map { slice, memory in
      arrange(memory.base.assumingMemoryBound(to: Float.self), slice.down)
    }
    // SAFETY: chunks write their own rows of y; the hidden neurons outlive the loop.
    nonisolated(unsafe) let y = y
    let size = slices.map(\.down.chunkRows).min() ?? 64
    withExtendedLifetime(hidden) {
      forEachChunk(of: outputs, size: size) { range in
        for (part, slice) in slices.enumerated() {
          for (place, input) in inputs[part].enumerated() {
            slice.down.multiply(
              rows: range, input: input, to: y + place * 8 * outputs, adding: part > 0,
              level: level)
          }
        }
      }
    }
  }

  /// Some rows of a matrix and where their products go.
  private struct Piece: @unchecked Sendable {
    // Pieces write their own rows of the target.
    let weights: PackedLinear
    let rows: Range<Int>
    let inputs: [PackedInput]
    let target: UnsafeMutablePointer<Float>
  }

  /// Gate and up of all slices in one parallel loop.
  ///
  /// - Parameters:
  ///   - x: Shape `[count, inputs]`.
  ///   - count: Tokens.
  ///   - hidden: Written, for each slice `[2, count, neurons of the slice]`, gate first.
  ///   - level: Instruction set.
  ///   - arrange: The tokens as the kernels of a matrix read them.
  private func multiplyInputs(
    _ x: UnsafePointer<Float>, count: Int, to hidden: [AlignedBytes], level: KernelLevel,
    arrange: (UnsafePointer<Float>, PackedLinear) -> [PackedInput]
  ) {
    var arranged: [(weights: PackedLinear, inputs: [PackedInput])] = []
    var pieces: [Piece] = []
    for (slice, memory) in zip(slices, hidden) {
      let target = memory.base.assumingMemoryBound(to: Float.self)
      for (weights, offset) in [(slice.gate, 0), (slice.up, count * slice.gate.rows)] {
        let known = arranged.first { weights.sharesInput(with: $0.weights) }?.inputs
        let inputs = known ?? arrange(x, weights)
        if known == nil { arranged.append((weights, inputs)) }
        for start in stride(from: 0, to: weights.rows, by: weights.chunkRows) {
          pieces.append(
            Piece(
              weights: weights, rows: start..<min(start + weights.chunkRows, weights.rows),
              inputs: inputs, target: target + offset))
        }
      }
    }
    let isSmall = slices.reduce(0) { $0 + 2 * $1.gate.rows * $1.gate.columns } < 1 << 18
    let work = pieces
    forEachChunk(of: work.count, size: isSmall ? work.count : 1) { chunk in
      for piece in work[chunk] {
        for (place, input) in piece.inputs.enumerated() {
          piece.weights.multiply(
            rows: piece.rows, input: input, to: piece.target + place * 8 * piece.weights.rows,
            level: level)
        }
      }
    }
  }
}
