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
  let information: LayerInformation

  private var statistics: CalibrationLayer? { information.statistics }

  /// Quantizes the expert.
  ///
  /// - Parameter checkpoint: Has its weights.
  /// - Returns: One for each module.
  /// - Throws: ``ModuleError``, and what reading weights and statistics throws.
  func outcomes(from checkpoint: Checkpoint) throws -> [ModelQuantizer.Outcome] {
    let ranking = try ranking
    return try ModuleError.naming(
      expert: modules[0].unit ?? modules[0].tensor, matrices: modules.map(\.tensor)
    ) { try unranked(from: checkpoint) }.map { outcome in
      var outcome = outcome
      outcome.report.neuronOrder = ranking
      return outcome
    }
  }

  private func unranked(from checkpoint: Checkpoint) throws -> [ModelQuantizer.Outcome] {
    let weights = try weights(in: checkpoint)
    let matrices = [weights.gate, weights.up, weights.down]
    let order = try order(of: weights)
    let (outliers, details) = try outliers(in: matrices)
    switch method.solver {
    case .codebooks(let options): return try coded(matrices, order, options, outliers, details)
    case .roundToNearest: return try rounded(weights, order, outliers, details)
    case .omniQuant: preconditionFailure("layers learn as wholes")
    case .gptq(let options, let minimumTokens, let weighted):
      guard let statistics else { preconditionFailure("GPTQ without calibration") }
      let tokens = try modules.map { try statistics.tokens(at: $0.input) }
      let solving = try zip(modules, tokens).map { module, tokens in
        if let fallback = RoundingFallback(tokens: tokens, minimum: minimumTokens) {
          return MixedExpert.Solving.nearest(fallback)
        }
        return .hessian(
          try statistics.hessian(
            of: module, routingWeighted: weighted && module.expert != nil))
      }
      let solved = try MixedExpert.solving(
        weights, order: order, split: split.parts, family: method.grids, options: options,
        input: solving[0], hidden: solving[2], keeping: outliers)
      return outcomes(
        solved.expert, solved.sparse, solved.outcomes, details, tokens: tokens)
    }
  }

  /// Gate, up and down as the checkpoint has them.
  func weights(in checkpoint: Checkpoint) throws -> GatedWeights {
    let matrices = try modules.map {
      try checkpoint.matrix($0.tensor, rows: $0.rows, columns: $0.columns)
    }
    return GatedWeights(gate: matrices[0], up: matrices[1], down: matrices[2])
  }

  private func rounded(
    _ weights: GatedWeights, _ order: NeuronOrder, _ outliers: [Outliers]?,
    _ details: [ModuleDetails]
  ) throws -> [ModelQuantizer.Outcome] {
    let none = modules.map { _ in MixedExpert.Outcome() }
    guard let outliers else {
      let expert = try MixedExpert(
        rounding: weights, order: order, split: split.parts, family: method.grids)
      return outcomes(expert, [], none, details, tokens: [nil, nil, nil])
    }
    let (expert, sparse) = try MixedExpert.rounding(
      weights, order: order, split: split.parts, family: method.grids, keeping: outliers)
    return outcomes(expert, sparse, none, details, tokens: [nil, nil, nil])
  }

  private func coded(
    _ matrices: [Matrix], _ order: NeuronOrder, _ options: CodebookOptions,
    _ outliers: [Outliers]?, _ details: [ModuleDetails]
  ) throws -> [ModelQuantizer.Outcome] {
    try modules.indices.map { index in
      let module = modules[index]
      let importance = try information.importance(of: module, method.importance)
      let (slices, sparse) = try ModuleError.naming(module.tensor) {
        try options.quantizer(bits: split.slices[0].bits).quantize(
          matrices[index], along: module.projection == .down ? .columns : .rows, order: order,
          split: split.parts, importance: importance, keeping: outliers?[index])
      }
      let tokens =
        method.importance == .hessian ? try statistics?.tokens(at: module.input) : nil
      return outcome(
        index, .slicedCodebooks(slices), sparse, MixedExpert.Outcome(), details[index],
        tokens: tokens)
    }
  }

  /// Of gate, up and down; nil if none are asked for.
  private func outliers(
    in matrices: [Matrix]
  ) throws -> (outliers: [Outliers]?, details: [ModuleDetails]) {
    var (outliers, details): ([Outliers], [ModuleDetails]) = ([], [])
    for (module, matrix) in zip(modules, matrices) {
      var (importance, detail) = (WeightImportance.equal, ModuleDetails())
      if method.readsImportance {
        importance = try information.importance(of: module, method.importance)
        detail.insert(importance, for: matrix, asked: method.importance)
      }
      let chosen = try ModuleError.naming(module.tensor) {
        try method.outliers(in: matrix, importance)
      }
      detail.outliers = chosen.map(OutlierReport.init)
      outliers += chosen.map { [$0] } ?? []
      details.append(detail)
    }
    return (method.outliers == nil ? nil : outliers, details)
  }

  /// Neurons by rank; in their places where there is nothing to rank.
  func order(of weights: GatedWeights) throws -> NeuronOrder {
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

  /// What tells the order of the neurons; nil where they all have the same bits.
  var ranking: NeuronRanking? {
    get throws {
      guard split.slices.count > 1 else { return nil }
      guard let statistics, split.rank.lowerBound < split.rank.upperBound else { return .place }
      let tokens = try [modules[0], modules[2]].map { try statistics.tokens(at: $0.input) }
      return tokens.allSatisfy { $0 > 0 } ? .calibration : .place
    }
  }

  private func outcomes(
    _ expert: MixedExpert, _ sparse: [SparseMatrix], _ found: [MixedExpert.Outcome],
    _ details: [ModuleDetails], tokens: [Int?]
  ) -> [ModelQuantizer.Outcome] {
    [expert.gate, expert.up, expert.down].enumerated().map { index, sliced in
      outcome(
        index, .sliced(sliced), sparse.isEmpty ? nil : sparse[index], found[index],
        details[index], tokens: tokens[index])
    }
  }

  /// The order of the neurons is stored once, beside gate.
  private func outcome(
    _ index: Int, _ dense: StoredMatrix, _ sparse: SparseMatrix?, _ found: MixedExpert.Outcome,
    _ details: ModuleDetails, tokens: Int?
  ) -> ModelQuantizer.Outcome {
    let weight = QuantizedWeight(
      StoredMatrix(dense, plus: sparse), orderBeside: modules[0].tensor)
    let report = ModuleReport(
      modules[index], weight, bits: split.meanBits, found, details, tokens: tokens)
    return (modules[index], weight, report)
  }
}
