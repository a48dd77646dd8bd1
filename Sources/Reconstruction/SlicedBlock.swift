import Calibration
import Checkpoints
import MoEModels
import Quantization
import Tensors

/// An expert whose neurons get different bits.
///
/// Neurons are ranked by the drop of their loss where calibration tells it, else they keep their
/// places; so they are where the losses of levels are measured.
struct SlicedBlock {
  /// Gate, up and down.
  let modules: [LinearModule]
  let split: NeuronSplit
  let method: QuantizationMethod
  let statistics: CalibrationLayer?

  /// Quantizes the expert.
  ///
  /// - Parameter checkpoint: Has its weights.
  /// - Returns: One for each module.
  /// - Throws: ``QuantizationError``, and what reading weights and statistics throws.
  func outcomes(from checkpoint: Checkpoint) throws -> [ModelQuantizer.Outcome] {
    let matrices = try modules.map {
      try checkpoint.matrix($0.tensor, rows: $0.rows, columns: $0.columns)
    }
    let weights = GatedWeights(gate: matrices[0], up: matrices[1], down: matrices[2])
    let order = try order(of: weights)
    guard case .gptq(let options, let minimumTokens, let weighted) = method.solver,
      let statistics
    else {
      let expert = try MixedExpert(
        rounding: weights, order: order, split: split.parts, family: method.grids)
      return outcomes(expert, modules.map { _ in MixedExpert.Outcome() }, tokens: [nil, nil, nil])
    }
    let tokens = try modules.map { try statistics.tokens(at: $0.input) }
    let solving = try zip(modules, tokens).map { module, tokens in
      if let fallback = RoundingFallback(tokens: tokens, minimum: minimumTokens) {
        return MixedExpert.Solving.nearest(fallback)
      }
      return .hessian(
        try statistics.hessian(
          of: module, routingWeighted: weighted && module.expert != nil))
    }
    let (expert, found) = try MixedExpert.solving(
      weights, order: order, split: split.parts, family: method.grids, options: options,
      input: solving[0], hidden: solving[2])
    return outcomes(expert, found, tokens: tokens)
  }

  private func order(of weights: GatedWeights) throws -> NeuronOrder {
    guard let statistics, split.slices.count > 1 else { return .identity(weights.neurons) }
    let sites = try [modules[0], modules[2]].map { module in
      GatedMoments.Site(
        sum: try statistics.sum(at: module.input, order: module.columns),
        tokens: try statistics.tokens(at: module.input))
    }
    return try NeuronLosses.order(
      of: weights, moments: GatedMoments(input: sites[0], hidden: sites[1]), rank: split.rank,
      family: method.grids)
  }

  private func outcomes(
    _ expert: MixedExpert, _ found: [MixedExpert.Outcome], tokens: [Int?]
  ) -> [ModelQuantizer.Outcome] {
    [expert.gate, expert.up, expert.down].enumerated().map { index, sliced in
      let (module, outcome) = (modules[index], found[index])
      // The order of the neurons is stored once, beside gate.
      let orderBits =
        index == 0
        ? MixedExpert.permutationBits(neurons: split.neurons, slices: split.slices.count) : 0
      let report = ModuleReport(
        module: module.tensor, unit: module.unit, weights: module.weights,
        bits: split.meanBits, codeBits: sliced.codeBits,
        metadataBits: sliced.metadataBits + orderBits, groupSize: method.grids.groupSize,
        slices: split.slices.map { SliceReport(bits: $0.bits, neurons: $0.neurons) },
        calibrationTokens: tokens[index], inputFeatures: module.columns,
        gptqLoss: outcome.loss, damping: outcome.damping,
        dampingEscalations: outcome.escalations, deadColumns: outcome.deadColumns,
        fallback: outcome.fallback)
      return (module, .sliced(sliced, orderBeside: modules[0].tensor), report)
    }
  }
}

/// A weight as it is stored.
enum QuantizedWeight {
  case packed(PackedMatrix)
  case sliced(SlicedMatrix, orderBeside: String)

  func payloads(of weight: String) -> [TensorPayload] {
    switch self {
    case .packed(let packed): packed.payloads(weight: weight)
    case .sliced(let sliced, let orderWeight):
      sliced.payloads(weight: weight, orderWeight: orderWeight)
    }
  }

  func dequantized() -> Matrix {
    switch self {
    case .packed(let packed): packed.dequantized()
    case .sliced(let sliced, _): sliced.dequantized()
    }
  }
}

extension QuantizationMethod {
  /// How a weight in one piece, or a slice of one, is stored.
  func storage(
    rows: Int, columns: Int, bits: Int, hasGroupIndex: Bool
  ) throws(QuantizationError) -> PackedTensors {
    let grid = try grids.grid(bits: bits)
    return PackedTensors(
      rows: rows, columns: columns, bits: bits, groupSize: grid.groupSize(columns: columns),
      symmetric: grid.symmetric, hasGroupIndex: hasGroupIndex)
  }

  /// How a weight in slices is stored. Those of down have no group index: their columns lie in the
  /// order of rounding.
  func storage(
    of module: LinearModule, _ split: NeuronSplit, orderBeside gate: String
  ) throws(QuantizationError) -> SlicedTensors {
    let isDown = module.projection == .down
    var slices: [PackedTensors] = []
    for slice in split.slices {
      slices.append(
        try storage(
          rows: isDown ? module.rows : slice.neurons,
          columns: isDown ? slice.neurons : module.columns, bits: slice.bits,
          hasGroupIndex: storesGroupIndex && !isDown))
    }
    return SlicedTensors(
      along: isDown ? .columns : .rows, slices: slices, orderWeight: gate)
  }
}
