import BitAllocation
import Calibration
import Checkpoints
import Foundation
import MoEModels
import Quantization
import Tensors

/// The units of one layer.
struct LayerMeasurement {
  let layer: Int
  let options: ExpertMeasurement
  /// nil without calibration.
  let statistics: CalibrationLayer?
  /// What the experts get on the tokens that ε is measured on; nil if it is not.
  let inputs: ExpertInputs?
  /// Of the layer's MoE block; nil without enough tokens, or if it is not asked for.
  let predictedImportance: Double?
  /// What they get on the tokens of the gradient, and the slopes there; nil on other scales.
  let slopes: LayerOutputSlopes?

  private var configuration: ModelConfiguration { options.checkpoint.configuration }

  /// Attention if asked for, then the MLPs.
  func units() throws -> [MeasuredUnit] {
    let attention =
      options.attention == .none
      ? []
      : try units(
        of: ModuleGroup(
          block: nil,
          modules: configuration.linearModules(layer: layer).filter { $0.block == nil }))
    let blocks = try configuration.gatedBlocks(layer: layer).flatMap {
      try units(of: ModuleGroup(block: $0.block, modules: $0.modules))
    }
    return attention
      + (options.granularity == .layer ? [MeasuredUnit.layer(layer, of: blocks)] : blocks)
  }

  private func units(of group: ModuleGroup) throws -> [MeasuredUnit] {
    let modules = try moduleInputs(group)
    defer { for module in group.modules { options.checkpoint.releasePages(of: module.tensor) } }
    let outputs = try group.block.flatMap { block in
      try inputs.flatMap { inputs in
        try options.expertOutput.map {
          try OutputErrors(
            block, layer: layer, of: inputs, checkpoint: options.checkpoint,
            precision: $0.precision)
        }
      }
    }
    let slopedOutputs = try group.block.flatMap { block in
      try slopes.map {
        try OutputErrors(
          block, layer: layer, of: $0.inputs, checkpoint: options.checkpoint, precision: .f32)
      }
    }
    var units = try group.units(options.granularity, layer: layer).map { id, members in
      let matrices = members.map { modules[$0] }
      return (
        members: members,
        unit: MeasuredUnit(
          id: id, layer: layer, block: group.block,
          projection: members.count == 1 ? matrices[0].module.projection : nil,
          tie: tie(matrices[0].module), weights: matrices.reduce(0) { $0 + $1.module.weights },
          hasFewTokens: tokens(of: group.block).map { $0 < options.minimumTokens } ?? false,
          groupSize: options.grids.groupSize, levels: [],
          scores: try scores(of: matrices, block: group.block))
      )
    }
    for level in options.levels.levels {
      let rounded = try options.rounding.rounded(modules, to: level)
      for index in units.indices {
        let members = units[index].members
        var sums = members.reduce(LevelSums()) { sums, member in
          sums
            + LevelSums(
              modules[member], rounded[member], layerTokens: statistics?.tokens ?? 0)
        }
        let changed = members.map { (module: modules[$0].module, weights: rounded[$0].weights) }
        sums.sensitivities[.expertOutput] = try outputs?.error(of: changed)
        if let slopes { sums.loss = try slopedOutputs?.loss(of: changed, under: slopes.slopes) }
        try complete(&sums, block: group.block)
        units[index].unit.levels.append(sums)
      }
    }
    return units.map(\.unit)
  }

  private func tie(_ module: LinearModule) -> String? {
    options.attention == .tied && module.input == .queryKeyValue
      ? "layers.\(layer).attention.qkv" : nil
  }

  /// Tokens that reach a block.
  private func tokens(of block: GatedBlock?) -> Int? {
    statistics.map { statistics in
      block?.expert.map { Int(statistics.count[$0]) } ?? statistics.tokens
    }
  }
}

// MARK: Losses

extension LayerMeasurement {
  /// Base loss and PMQ's, from what was summed.
  private func complete(_ sums: inout LevelSums, block: GatedBlock?) throws {
    guard let statistics else { return }
    if options.scale != .gradient, let loss = sums.sensitivities[.secondOrder] {
      sums.loss = try scale().map { loss * factor(of: block) / $0 }
    }
    guard let block else { return }
    let squaredOutput = sums.sensitivities[.output].map { $0 * Double(statistics.tokens) }
    guard
      let error = sums.sensitivities[.expertOutput]
        ?? squaredOutput.map({ max($0, 0).squareRoot() })
    else { return }
    let exponents = options.pmq
    let (frequency, weight) = normalizedRouting(of: block)
    sums.sensitivities[.pmq] =
      pow(frequency, exponents.frequency) * pow(weight, exponents.routingWeight)
      * pow(error, exponents.error)
  }

  /// What losses are divided by; nil where that is nothing.
  private func scale() throws -> Double? {
    guard let statistics else { return 1 }
    let tokens = Double(max(statistics.tokens, 1))
    switch options.scale {
    case .none, .gradient: return 1
    case .relative: return statistics.outputEnergy > 0 ? statistics.outputEnergy / tokens : nil
    case .residual:
      guard let inverse = statistics.inverseResidualEnergy else {
        throw MeasurementError.needsResidualStream("scale residual", layer: layer)
      }
      return inverse > 0 ? tokens / inverse : nil
    }
  }

  /// (n/N)^α · mean(w)^β.
  private func factor(of block: GatedBlock?) -> Double {
    guard let expert = block?.expert, let statistics else { return 1 }
    let count = Double(statistics.count[expert])
    let meanWeight = count > 0 ? statistics.weightAfter[expert] / count : 0
    return pow(count / Double(max(statistics.tokens, 1)), options.factors.frequency)
      * pow(meanWeight, options.factors.routingWeight)
  }

  /// φ and w, which sum to 1 over the routed experts of a layer.
  private func normalizedRouting(of block: GatedBlock) -> (frequency: Double, weight: Double) {
    guard let statistics, !statistics.count.isEmpty else { return (1, 1) }
    let assignments = max(Double(statistics.count.reduce(0, +)), 1)
    let sum = statistics.weightBefore.reduce(0, +)
    let (count, weight) =
      block.expert.map { (Double(statistics.count[$0]), statistics.weightBefore[$0]) }
      ?? (Double(statistics.tokens), Double(statistics.tokens))
    return (count / assignments, sum > 0 ? weight / sum : 0)
  }
}

// MARK: Inputs

extension LayerMeasurement {
  private func moduleInputs(_ group: ModuleGroup) throws -> [ModuleInput] {
    var loaded: [InputSite: InputMoments] = [:]
    return try group.modules.map { module in
      if loaded[module.input] == nil, let statistics {
        loaded[module.input] = try moments(of: module, statistics)
      }
      return ModuleInput(
        module: module,
        weights: try options.checkpoint.matrix(
          module.tensor, rows: module.rows, columns: module.columns),
        moments: loaded[module.input],
        fisher: try fisher(of: module))
    }
  }

  /// Where it was kept; where it was not, it is missed if it is required.
  private func fisher(of module: LinearModule) throws -> Matrix? {
    guard let gradients = options.gradients,
      try options.requiresFisher || gradients.keepsFisher(layer: layer)
    else { return nil }
    return try FisherDiagonal(gradients.url).diagonal(of: module)
  }

  private func moments(
    of module: LinearModule, _ statistics: CalibrationLayer
  ) throws -> InputMoments {
    let sum = try statistics.sum(at: module.input, order: module.columns)
    let tokens = try statistics.tokens(at: module.input)
    var weighted = InputMoments.RoutingWeighted.isSum
    if module.expert != nil {
      weighted =
        try statistics.routingWeightSquares(at: module.input) == nil
        ? .unknown
        : .sum(try statistics.routingWeightedSum(at: module.input, order: module.columns))
    }
    return InputMoments(
      tokens: tokens, sum: sum, weighted: weighted, factor: try factor(of: sum, tokens: tokens),
      condition: try options.measuresConditions ? condition(of: sum, tokens: tokens) : nil)
  }

  private func condition(
    of sum: SecondMoments, tokens: Int
  ) throws(QuantizationError) -> Double {
    guard tokens > 0 else { return 1 }
    do throws(QuantizationError) {
      return try ConditionEstimate(
        of: sum.scaled(by: 2 / Float(tokens)),
        relativeDamping: ExpertMeasurement.conditionDamping
      ).condition
    } catch {
      // Tokens whose inputs are all zero leave nothing to invert.
      guard case .noCalibration = error else { throw error }
      return 1
    }
  }

  /// nil where GPTQ is not asked for or falls back to rounding to nearest.
  private func factor(
    of sum: SecondMoments, tokens: Int
  ) throws(QuantizationError) -> DampedFactor? {
    guard case .gptq(let gptq, let minimum) = options.error, tokens >= max(minimum, 1) else {
      return nil
    }
    do throws(QuantizationError) {
      return try DampedFactor(
        of: sum.scaled(by: 2 / Float(tokens)), relativeDamping: gptq.relativeDamping,
        columns: gptq.columns)
    } catch {
      guard RoundingFallback(error) != nil else { throw error }
      return nil
    }
  }
}

// MARK: Scores

extension LayerMeasurement {
  private func scores(
    of modules: [ModuleInput], block: GatedBlock?
  ) throws -> [ExpertMeasurement.Score: Double] {
    var scores: [ExpertMeasurement.Score: Double] = [:]
    for score in options.scores { scores[score] = try value(of: score, modules, block) }
    return scores
  }

  private func value(
    of score: ExpertMeasurement.Score, _ modules: [ModuleInput], _ block: GatedBlock?
  ) throws -> Double {
    guard score != .weightOutlier else {
      return modules.map { OutlierScore.of($0.weights) }.max() ?? 0
    }
    if score == .predictedImportance {
      guard let predictedImportance else {
        throw MeasurementError.tooFewTokens(score.rawValue, layer: layer)
      }
      return predictedImportance
    }
    guard score != .weightKurtosis else {
      return modules.map { Kurtosis.of($0.weights) }.max() ?? 0
    }
    guard let statistics else { throw MeasurementError.needsCalibration(score.rawValue) }
    let tokens = Double(max(statistics.tokens, 1))
    switch score {
    case .frequency: return block?.expert.map { Double(statistics.count[$0]) / tokens } ?? 1
    case .routingWeight: return block?.expert.map { statistics.weightAfter[$0] / tokens } ?? 1
    case .blockImportance:
      guard let cosines = statistics.cosineSum else {
        throw MeasurementError.needsResidualStream(score.rawValue, layer: layer)
      }
      return 1 - cosines / tokens
    case .conditionNumber, .weightOutlier, .weightKurtosis, .predictedImportance:
      return modules.compactMap { $0.moments?.condition }.max() ?? 1
    }
  }
}
