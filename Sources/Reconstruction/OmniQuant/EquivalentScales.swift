import MoEModels
import Tensors

/// Scales of channels that leave a layer's function as it is, learned so that less is lost by
/// rounding: OmniQuant's learnable equivalent transformation, for the MLPs of a layer.
///
///     norm x / c  →  gate c, up c, router c         the inputs of the MLPs
///     up / s      →  down s                         neurons, since silu(gate) · up is linear in up
///
/// The division of the norm and the multiplication of the router are folded into their weights.
struct EquivalentScales: Sendable, Codable {
  /// c, shape `[hidden]`.
  private(set) var inputs: [Float]
  /// s of every MLP, in the layer's order, shape `[width]`.
  private(set) var neurons: [[Float]]

  /// OmniQuant's code keeps scales from crossing zero so.
  private static let least: Float = 1e-2

  /// c = √(max |x| / max |W|) of each channel, and s alike; 1 where either is 0, or
  /// the quotient is not finite.
  ///
  /// - Parameters:
  ///   - blocks: Gate, up and down of each MLP.
  ///   - maxima: Of the inputs of gate and up of all MLPs together, and of down of each.
  init(blocks: [[Matrix]], maxima: (inputs: [Float], neurons: [[Float]])) {
    let widest = blocks.flatMap { [$0[0], $0[1]] }.map(\.columnMaxima)
    let weights = widest.dropFirst().reduce(widest[0]) { zip($0, $1).map { max($0, $1) } }
    inputs = Self.start(maxima.inputs, weights)
    neurons = zip(blocks, maxima.neurons).map { Self.start($1, $0[2].columnMaxima) }
  }

  private static func start(_ activations: [Float], _ weights: [Float]) -> [Float] {
    zip(activations, weights).map { activation, weight in
      let ratio = activation / weight
      return ratio > 0 && ratio.isFinite ? max(ratio.squareRoot(), least) : 1
    }
  }

  /// Scales that change no weight.
  var ones: EquivalentScales {
    var result = self
    result.inputs = inputs.map { _ in 1 }
    result.neurons = neurons.map { $0.map { _ in 1 } }
    return result
  }

  /// Scales of a module of MLP `block`.
  func scales(of projection: Projection, block: Int) -> ModuleScales {
    switch projection {
    case .gate: ModuleScales(columns: inputs)
    case .up: ModuleScales(rows: neurons[block].map { 1 / $0 }, columns: inputs)
    case .down: ModuleScales(columns: neurons[block])
    default: ModuleScales()
    }
  }

  /// Slopes of all scales.
  struct Slopes {
    var inputs: [Float]
    /// nil for an MLP that no token came to.
    var neurons: [[Float]?]
  }

  var noSlopes: Slopes {
    Slopes(
      inputs: [Float](repeating: 0, count: inputs.count),
      neurons: neurons.map { _ in nil })
  }

  /// Adds what a module's slopes say of the scales.
  func add(
    _ found: (rows: [Float], columns: [Float]), of projection: Projection, block: Int,
    to slopes: inout Slopes
  ) {
    if projection == .gate || projection == .up {
      for index in inputs.indices { slopes.inputs[index] += found.columns[index] }
    }
    let scales = neurons[block]
    var sum = slopes.neurons[block] ?? [Float](repeating: 0, count: scales.count)
    for index in scales.indices {
      if projection == .up { sum[index] -= found.rows[index] / (scales[index] * scales[index]) }
      if projection == .down { sum[index] += found.columns[index] }
    }
    slopes.neurons[block] = sum
  }

  /// Scales of an MLP that no token came to stay, and so do the moments behind them, as PyTorch's
  /// optimizers leave alone what has no gradient.
  mutating func step(_ slopes: Slopes, _ optimizers: inout [AdamW]) {
    optimizers[0].step(&inputs, slopes.inputs)
    inputs = inputs.map { max($0, Self.least) }
    for block in neurons.indices {
      guard let found = slopes.neurons[block] else { continue }
      optimizers[block + 1].step(&neurons[block], found)
      neurons[block] = neurons[block].map { max($0, Self.least) }
    }
  }

  /// One for the inputs, then one an MLP.
  func optimizers(rate: Double) -> [AdamW] {
    ([inputs] + neurons).map { AdamW(count: $0.count, rate: Float(rate)) }
  }
}

extension Matrix {
  /// The largest magnitude in each column.
  fileprivate var columnMaxima: [Float] {
    var result = [Float](repeating: 0, count: columns)
    for row in 0..<rows {
      for column in 0..<columns {
        result[column] = max(result[column], abs(storage[row * columns + column]))
      }
    }
    return result
  }
}

/// The largest magnitudes of the inputs of a layer's MLPs.
final class InputMaxima: LayerTap {
  private var values: [InputSite: [Float]] = [:]

  var wantsAllTokens: Bool { false }

  func observe(
    _ site: InputSite, _ x: UnsafePointer<Float>, rows: Int, columns: Int, weights: [Float]?
  ) {
    guard site.block != nil else { return }
    var maxima = values[site] ?? [Float](repeating: 0, count: columns)
    for row in 0..<rows {
      for column in 0..<columns {
        maxima[column] = max(maxima[column], abs(x[row * columns + column]))
      }
    }
    values[site] = maxima
  }

  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int) {}
  func observe(_ routing: Routing) {}

  /// Of all MLPs together at their inputs, and of each at its neurons; 0 where no token came.
  func maxima(
    of blocks: [GatedBlock], hidden: Int, widths: [Int]
  ) -> (inputs: [Float], neurons: [[Float]]) {
    var inputs = [Float](repeating: 0, count: hidden)
    for block in blocks {
      guard let found = values[.gateUp(block)] else { continue }
      inputs = zip(inputs, found).map { max($0, $1) }
    }
    let neurons = zip(blocks, widths).map { block, width in
      values[.down(block)] ?? [Float](repeating: 0, count: width)
    }
    return (inputs, neurons)
  }
}
