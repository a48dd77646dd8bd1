import Tensors

/// A gated MLP: y = down(silu(gate x) · up x).
struct GatedMLP {
  let block: GatedBlock
  /// gate and up stacked: `[2 · width, hidden]`.
  private let gateUp: Linear
  /// `[hidden, width]`.
  private let down: Linear
  /// The same as one, where all are packed in the same slices.
  private let packed: PackedExpert?
  private let activations: Activations

  /// Weights that one token reads, in bytes.
  var bytes: Int { gateUp.bytes + down.bytes }

  private let inputs = ScratchBuffer<Float>()
  private let gated = ScratchBuffer<Float>()
  private let outputs = ScratchBuffer<Float>()

  init(
    _ tensors: GatedTensors, block: GatedBlock, source: some WeightSource, precision: Precision
  ) throws {
    self.block = block
    gateUp = try Linear([tensors.gate, tensors.up], source: source, precision: precision)
    down = try Linear([tensors.down], source: source, precision: precision)
    activations = source.activations
    packed =
      if let gateUp = gateUp.packed, let down = down.packed {
        PackedExpert(gate: gateUp[0], up: gateUp[1], down: down[0])
      } else { nil }
  }

  /// Sends the assigned tokens through the MLP and adds weight · y to their rows.
  ///
  /// - Parameters:
  ///   - x: Normalized residual stream, `[tokens, hidden]`.
  ///   - routed: Row and applied weight of each token that comes here.
  ///   - y: `[tokens, hidden]`.
  ///   - tap: Is shown the inputs of gate/up and of down.
  ///   - half: Scratch memory of the products.
  func apply(
    _ x: UnsafePointer<Float>, routed: [Routing.Assignment],
    addingTo y: UnsafeMutablePointer<Float>, tap: (any LayerTap)?, half: ScratchBuffer<UInt16>
  ) {
    guard !routed.isEmpty else { return }
    let (hidden, width, rows) = (gateUp.columns, down.columns, routed.count)
    let padded = LinearWeights.paddedRows(rows)
    let input = inputs.reserve(padded * max(hidden, width))
    for (row, assignment) in routed.enumerated() {
      (input + row * hidden).update(from: x + assignment.token * hidden, count: hidden)
    }
    if let packed, tap == nil {
      let output = outputs.reserve(rows * hidden)
      packed.apply(input, count: rows, to: output, activations: activations)
      return scatter(output, routed: routed, addingTo: y)
    }
    let weights = tap == nil || block.expert == nil ? nil : routed.map(\.weight)
    tap?.observe(.gateUp(block), input, rows: rows, columns: hidden, weights: weights)
    let both = gated.reserve(padded * 2 * width)
    gateUp.apply(input, rows: rows, to: both, scratch: half)
    swiGLU(both, rows: rows, into: input)
    tap?.observe(.down(block), input, rows: rows, columns: width, weights: weights)
    let output = outputs.reserve(padded * hidden)
    down.apply(input, rows: rows, to: output, scratch: half)
    scatter(output, routed: routed, addingTo: y)
  }

  private func swiGLU(
    _ both: UnsafePointer<Float>, rows: Int, into activation: UnsafeMutablePointer<Float>
  ) {
    let width = down.columns
    // SAFETY: every chunk reads and writes its own rows.
    nonisolated(unsafe) let (both, activation) = (both, activation)
    forEachChunk(of: rows, size: 32) { range in
      for row in range {
        VectorMath.swiGLU(
          gate: both + row * 2 * width, up: both + row * 2 * width + width,
          into: activation + row * width, count: width)
      }
    }
  }

  private func scatter(
    _ output: UnsafePointer<Float>, routed: [Routing.Assignment],
    addingTo y: UnsafeMutablePointer<Float>
  ) {
    let hidden = down.rows
    // SAFETY: a token is routed to an expert at most once, so rows of `y` are not shared.
    nonisolated(unsafe) let (output, y) = (output, y)
    forEachChunk(of: routed.count, size: 128) { range in
      for row in range {
        let (source, target) = (output + row * hidden, y + routed[row].token * hidden)
        let weight = routed[row].weight
        for i in 0..<hidden { target[i] += weight * source[i] }
      }
    }
  }
}
