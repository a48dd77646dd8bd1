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
  /// - Returns: Shape `[count, outputs]`.
  public func apply(_ x: Matrix, level: KernelLevel = .best) -> Matrix {
    precondition(x.columns == inputs, "inputs of \(x.columns) for \(inputs)")
    var result = Matrix(rows: x.rows, columns: outputs)
    x.storage.withUnsafeBufferPointer { x in
      result.storage.withUnsafeMutableBufferPointer { y in
        guard let from = x.baseAddress, let to = y.baseAddress else { return }
        for start in stride(from: 0, to: x.count / inputs, by: 8) {
          let batch = min(8, x.count / inputs - start)
          apply(from + start * inputs, batch: batch, to: to + start * outputs, level: level)
        }
      }
    }
    return result
  }

  private func apply(
    _ x: UnsafePointer<Float>, batch: Int, to y: UnsafeMutablePointer<Float>, level: KernelLevel
  ) {
    let hidden = slices.map { AlignedBytes(count: 2 * batch * $0.gate.rows * 4) }
    multiplyInputs(x, batch: batch, to: hidden, level: level)
    for (slice, memory) in zip(slices, hidden) {
      let gate = memory.base.assumingMemoryBound(to: Float.self)
      let count = batch * slice.gate.rows
      VectorMath.swiGLU(gate: gate, up: gate + count, into: gate, count: count)
    }
    let inputs = zip(slices, hidden).map { slice, memory in
      ArrangedInput(
        memory.base.assumingMemoryBound(to: Float.self), count: batch, for: slice.down, level: level
      )
    }
    // SAFETY: chunks write their own rows of y.
    nonisolated(unsafe) let y = y
    forEachChunk(of: outputs, size: PackedLinear.chunkRows) { range in
      for (part, slice) in slices.enumerated() {
        slice.down.multiply(
          rows: range, input: inputs[part],
          x: hidden[part].base.assumingMemoryBound(to: Float.self), batch: batch, to: y,
          adding: part > 0, level: level)
      }
    }
  }

  /// Gate and up of all slices in one parallel loop.
  ///
  /// - Parameters:
  ///   - x: Shape `[batch, inputs]`.
  ///   - batch: Tokens, 1…8.
  ///   - hidden: Written, for each slice `[2, batch, neurons of the slice]`, gate first.
  ///   - level: Instruction set.
  private func multiplyInputs(
    _ x: UnsafePointer<Float>, batch: Int, to hidden: [AlignedBytes], level: KernelLevel
  ) {
    var arranged: [(weights: PackedLinear, input: ArrangedInput)] = []
    var work: [(weights: PackedLinear, input: ArrangedInput, target: AlignedBytes, offset: Int)] =
      []
    for (slice, memory) in zip(slices, hidden) {
      for (weights, offset) in [(slice.gate, 0), (slice.up, batch * slice.gate.rows)] {
        let known = arranged.first { weights.sharesInput(with: $0.weights) }?.input
        let input = known ?? ArrangedInput(x, count: batch, for: weights, level: level)
        if known == nil { arranged.append((weights, input)) }
        work.append((weights, input, memory, offset))
      }
    }
    let pieces = work.flatMap { item in
      stride(from: 0, to: item.weights.rows, by: PackedLinear.chunkRows).map { start in
        (item, start..<min(start + PackedLinear.chunkRows, item.weights.rows))
      }
    }
    // SAFETY: pieces write their own rows; x outlives the loop.
    nonisolated(unsafe) let x = x
    forEachChunk(of: pieces.count, size: 1) { chunk in
      for index in chunk {
        let (item, rows) = pieces[index]
        item.weights.multiply(
          rows: rows, input: item.input, x: x, batch: batch,
          to: item.target.base.assumingMemoryBound(to: Float.self) + item.offset, level: level)
      }
    }
  }
}
