import BitAllocation
import Calibration
import Foundation
import MoEModels
import Quantization
import Tensors

/// A matrix and what is known about its input.
struct ModuleInput {
  let module: LinearModule
  let weights: Matrix
  /// nil without calibration.
  let moments: InputMoments?
  /// F, of the shape of the weights; nil without gradients.
  var fisher: Matrix?
}

/// Sums over the input of some matrices; loaded and factored once for all of them and all levels.
struct InputMoments {
  /// S_w = Σ w² x xᵀ.
  enum RoutingWeighted {
    /// Every token comes with weight 1.
    case isSum
    case sum(SecondMoments)
    /// The calibration does not have it.
    case unknown
  }

  /// n.
  let tokens: Int
  /// S.
  let sum: SecondMoments
  let weighted: RoutingWeighted
  /// Of H = 2S/n; nil where it is not asked for or there is none.
  let factor: DampedFactor?
  /// λ_max / λ_min of H, damped; 1 without tokens; nil where it is not asked for.
  var condition: Double?
}

/// A matrix at a level.
struct RoundedModule {
  /// Ŵ.
  let weights: Matrix
  let codeBits: Double
  let metadataBits: Double
}

/// What a level means: the one place that turns matrices and a level into rounded weights and bits.
struct LevelRounding {
  var grids: GridFamily
  var error: ExpertMeasurement.WeightError
  /// Neurons of a block.
  var blockSize: Int

  /// Rounds the matrices of one block together.
  ///
  /// - Parameters:
  ///   - modules: Gate, up and down of an MLP, or the projections of attention.
  ///   - level: Bits of all of them, or of shares of an expert's neurons.
  /// - Returns: One for each module.
  /// - Throws: ``MeasurementError/mixedAttention(_:)``, ``ModuleError``.
  func rounded(_ modules: [ModuleInput], to level: LevelMix) throws -> [RoundedModule] {
    guard level.parts.count == 1 else { return try mixed(modules, level) }
    let grid = try grids.grid(bits: level.parts[0].bits)
    return try modules.map { module in
      let packed = try ModuleError.naming(module.module.tensor) { try self.packed(module, grid) }
      return RoundedModule(
        weights: packed.dequantized(), codeBits: Double(packed.codeBits),
        metadataBits: Double(packed.metadataBits))
    }
  }

  /// An expert with its neurons in slices, as it would be stored.
  private func mixed(
    _ modules: [ModuleInput], _ level: LevelMix
  ) throws -> [RoundedModule] {
    guard modules.count == 3, modules[0].module.block != nil else {
      throw MeasurementError.mixedAttention(level.bits)
    }
    let weights = GatedWeights(
      gate: modules[0].weights, up: modules[1].weights, down: modules[2].weights)
    let split = level.split(neurons: weights.neurons, blockSize: blockSize)
      .map { (bits: $0.bits, neurons: $0.neurons) }
    let expert = try ModuleError.naming(
      expert: modules[0].module.unit ?? modules[0].module.tensor,
      matrices: modules.map(\.module.tensor)
    ) {
      try self.expert(weights, modules, split: split, order: order(of: weights, modules, split))
    }
    // The order of the neurons is stored once, beside gate.
    let orderBits = MixedExpert.permutationBits(neurons: weights.neurons, slices: split.count)
    return [expert.gate, expert.up, expert.down].enumerated().map { index, sliced in
      RoundedModule(
        weights: sliced.dequantized(), codeBits: Double(sliced.codeBits),
        metadataBits: Double(sliced.metadataBits + (index == 0 ? orderBits : 0)))
    }
  }

  private func order(
    of weights: GatedWeights, _ modules: [ModuleInput], _ split: [(bits: Int, neurons: Int)]
  ) throws(QuantizationError) -> NeuronOrder {
    let bits = split.map(\.bits)
    guard let input = modules[0].moments, let hidden = modules[2].moments,
      let low = bits.min(), let high = bits.max()
    else { return .identity(weights.neurons) }
    return try NeuronLosses.order(
      of: weights,
      moments: GatedMoments(
        input: GatedMoments.Site(sum: input.sum, tokens: input.tokens),
        hidden: GatedMoments.Site(sum: hidden.sum, tokens: hidden.tokens)),
      rank: low...high, family: grids)
  }

  private func expert(
    _ weights: GatedWeights, _ modules: [ModuleInput], split: [(bits: Int, neurons: Int)],
    order: NeuronOrder
  ) throws(QuantizationError) -> MixedExpert {
    guard case .gptq(let options, let minimumTokens) = error else {
      return try MixedExpert(rounding: weights, order: order, split: split, family: grids)
    }
    return try MixedExpert.solving(
      weights, order: order, split: split, family: grids, options: options,
      input: solving(modules[0], minimumTokens), hidden: solving(modules[2], minimumTokens)
    ).expert
  }

  private func solving(_ input: ModuleInput, _ minimumTokens: Int) -> MixedExpert.Solving {
    guard let moments = input.moments else { return .nearest(.roundToNearestWithoutTokens) }
    if let fallback = RoundingFallback(tokens: moments.tokens, minimum: minimumTokens) {
      return .nearest(fallback)
    }
    return .hessian(moments.sum.scaled(by: 2 / Float(moments.tokens)))
  }

  private func packed(
    _ input: ModuleInput, _ grid: AffineGrid
  ) throws(QuantizationError) -> PackedMatrix {
    guard case .gptq(let options, _) = error, let factor = input.moments?.factor else {
      return try RoundToNearest.quantize(input.weights, grid: grid)
    }
    return try GPTQ(grid: grid, options: options).quantize(input.weights, factor: factor).packed
  }
}
