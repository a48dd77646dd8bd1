import BitAllocation
import Quantization
import Tensors

/// What one expert loses and costs at whole levels, half levels and mixes, as realised (DECISIONS:
/// Half levels).
///
/// Loss of a level, Δ being the errors of the stored weights, groups and slices included:
///
///     tr(Δ_gate S_x Δ_gateᵀ)/n + tr(Δ_up S_x Δ_upᵀ)/n + tr(Δ_down S_h Δ_downᵀ)/n
///
/// It is per routed token and not divided by the energy of the layer's output. A whole level is what
/// ``RoundToNearest`` gives.
public struct MixedLevels: Sendable {
  /// A level of the expert.
  public struct Entry: Sendable, Equatable {
    public let level: LevelMix
    /// Bits and neurons in rank order.
    public let slices: [NeuronSlice]
    /// nil if no token reached the expert.
    public let loss: Double?
    public let codeBits: Int
    /// Scales, zero points and the permutation.
    public let metadataBits: Int
  }

  public let weights: GatedWeights
  public let family: GridFamily
  /// Neurons of a block.
  public let blockSize: Int
  /// nil if no token reached the expert.
  public let losses: NeuronLosses?
  private let moments: GatedMoments?

  /// Rounds gate and up to all whole bits that the levels need.
  ///
  /// - Parameters:
  ///   - weights: The expert.
  ///   - moments: nil, or without tokens: losses are not known.
  ///   - levels: What ``entry(of:order:)`` will be asked for.
  ///   - family: Grids of any bits.
  ///   - blockSize: Neurons of a block.
  /// - Throws: ``QuantizationError``.
  public init(
    _ weights: GatedWeights, moments: GatedMoments?, levels: LevelSet, family: GridFamily,
    blockSize: Int = 32
  ) throws(QuantizationError) {
    self.weights = weights
    self.family = family
    self.blockSize = blockSize
    let moments = moments.flatMap { $0.hasTokens ? $0 : nil }
    self.moments = moments
    if let moments {
      losses = try NeuronLosses(
        weights, moments: moments, bits: levels.wholeBits, family: family)
    } else {
      losses = nil
    }
  }

  /// The neurons in the order of a level: by the loss that they drop from its lowest bits to its
  /// highest; in their places for a whole level, or if losses are not known.
  public func order(for level: LevelMix) -> NeuronOrder {
    guard let losses, level.parts.count > 1 else { return .identity(weights.neurons) }
    return losses.order(
      from: level.parts[level.parts.count - 1].bits, to: level.parts[0].bits)
  }

  /// Loss and costs of a level.
  ///
  /// - Parameters:
  ///   - level: One of the set that was given, or one of the same whole bits.
  ///   - order: Neurons by rank; nil: ``order(for:)``.
  /// - Returns: The level as realised.
  /// - Throws: ``QuantizationError``.
  /// - Complexity: outputs · neurons² / 2 multiply-adds.
  public func entry(
    of level: LevelMix, order: NeuronOrder? = nil
  ) throws(QuantizationError) -> Entry {
    let slices = level.split(neurons: weights.neurons, blockSize: blockSize)
    return Entry(
      level: level, slices: slices,
      loss: try loss(of: slices, order: order ?? self.order(for: level)),
      codeBits: slices.reduce(0) { $0 + $1.bits * $1.neurons } * weights.weightsPerNeuron,
      metadataBits: metadataBits(of: slices))
  }

  /// Loss of any slices in rank order; nil if losses are not known.
  ///
  /// - Parameters:
  ///   - slices: Of whole bits among those of the set, summing to all neurons.
  ///   - order: Neurons by rank; not read for a single slice.
  /// - Returns: A sum over the three matrices, per token.
  /// - Throws: ``QuantizationError``.
  public func loss(
    of slices: [NeuronSlice], order: NeuronOrder
  ) throws(QuantizationError) -> Double? {
    guard let losses, let moments else { return nil }
    let order = slices.count == 1 ? .identity(weights.neurons) : order
    var (sum, start) = (0.0, 0)
    for slice in slices {
      let rows = losses.gateAndUp[losses.index(of: slice.bits)]
      for neuron in order.neurons[start..<start + slice.neurons] { sum += rows[neuron] }
      start += slice.neurons
    }
    let rounded = try MixedExpert.roundedDown(
      weights.down, order: order, split: slices.map { ($0.bits, $0.neurons) }, family: family)
    let error = SlicedMatrix(rounded, along: .columns, order: order.neurons).dequantized()
      .minus(weights.down)
    return sum
      + ProxyLoss.total(of: error, under: moments.hidden.sum) / Double(moments.hidden.tokens)
  }

  /// As ``MixedExpert/metadataBits``, without rounding anything.
  func metadataBits(of slices: [NeuronSlice]) -> Int {
    let (inputs, outputs) = (weights.gate.columns, weights.down.rows)
    let permutation = MixedExpert.permutationBits(
      neurons: weights.neurons, slices: slices.count)
    return slices.reduce(permutation) { sum, slice in
      sum + 2 * family.metadataBits(rows: slice.neurons, columns: inputs, bits: slice.bits)
        + family.metadataBits(rows: outputs, columns: slice.neurons, bits: slice.bits)
    }
  }
}
