import BitAllocation
import Calibration
import Checkpoints
import Foundation
import MoEModels
import Quantization
import Tensors

/// Fills a sensitivity table whose units are layers, experts or projections: routed experts, shared
/// ones, and the MLPs of dense layers, which are experts that see every token; attention if asked.
///
/// Base loss of a unit at a level (DECISIONS: Sensitivity), Δ being the error of the level:
///
///     Σ over its matrices of tr(Δ S Δᵀ) / n · (n/N)^α · mean(w)^β     divided by the layer's scale
///
/// n is the number of tokens behind S, in the factors of those routed to the expert, N that of the
/// layer. An expert without tokens has no loss, and adds none to its layer's. Losses of attention
/// are those of its inputs, on the scale of the same layer's MoE output. ``Sensitivity`` says what
/// every level carries besides.
public struct ExpertMeasurement: Sendable {
  /// What ranks units, in the words of specs; higher meaning more bits.
  public enum Score: String, Sendable, CaseIterable {
    /// Share of the layer's tokens that are routed to the expert; 1 for what sees every token.
    case frequency
    /// Σ of the routing weights applied to the expert's output, per token of the layer.
    case routingWeight = "routing-weight"
    /// Largest over the unit's matrices of max over inputs j of max_i |W_ij| / mean_i |W_ij|
    /// (Li et al. 2024, arXiv:2406.08155, linear outlier score; the maximum makes it one number).
    case weightOutlier = "weight-outlier"
    /// Largest over the unit's matrices of E[(w - E w)⁴] / (E[(w - E w)²])², 3 for normal weights.
    case weightKurtosis = "weight-kurtosis"
    /// Largest over the unit's inputs of λ_max / λ_min of H = 2S/n, damped by
    /// ``conditionDamping``; 1 where there are no tokens.
    case conditionNumber = "condition-number"
    /// 1 - mean over tokens of cos(x, x + MoE(x)), one number a layer (Li et al. 2024,
    /// arXiv:2406.08155, whose predictor is trained on these cosines).
    case blockImportance = "block-importance"
    /// The same with the cosine that a small network, trained on the tokens of
    /// ``ExpertMeasurement/importanceSample``, predicts for those it has not seen.
    case predictedImportance = "predicted-importance"
  }

  /// λ / mean(diag H) of ``Score/conditionNumber``, that of GPTQ by default.
  public static let conditionDamping = 0.01

  public var checkpoint: Checkpoint
  public var levels: LevelSet
  /// Neurons of a block of half levels and mixes.
  public var blockSize = 32
  public var grids: GridFamily
  /// Folder of the calibration; without it there are neither losses nor routing scores.
  public var calibration: URL?
  public var scores: Set<Score>
  public var granularity = Granularity.expert
  public var attention = AttentionUnits.none
  public var error = WeightError.rtn
  public var scale = Scale.relative
  /// Of the base loss alone.
  public var factors = LossFactors()
  public var pmq = PMQExponents()
  /// Those that must be there: a measurement that cannot have them is refused. All others are
  /// measured where nothing more is needed for it.
  public var required: Set<Sensitivity> = []
  /// nil: `expert-output` is not measured.
  public var expertOutput: ExpertOutputSample?
  /// What ``Score/predictedImportance`` is trained on.
  public var importanceSample: ExpertOutputSample?
  /// Units that fewer tokens reach are marked.
  public var minimumTokens = 32

  public init(
    checkpoint: Checkpoint, levels: LevelSet, grids: GridFamily, calibration: URL?,
    scores: Set<Score>
  ) {
    self.checkpoint = checkpoint
    self.levels = levels
    self.grids = grids
    self.calibration = calibration
    self.scores = scores
  }

  /// Measures layer after layer.
  ///
  /// - Parameter progress: Is told how many layers of all are done.
  /// - Returns: Units in the order of the forward pass, attention before MLPs.
  /// - Throws: ``MeasurementError`` for what the calibration does not have; what reading weights and
  ///   statistics, rounding and the forward pass throw.
  public func table(
    progress: (_ layer: Int, _ layers: Int) -> Void = { _, _ in }
  ) throws -> SensitivityTable {
    try check()
    let configuration = checkpoint.configuration
    let pass = try expertOutput.map(pass)
    let importancePass =
      scores.contains(.predictedImportance) ? try importanceSample.map(self.pass) : nil
    var units: [MeasuredUnit] = []
    for layer in 0..<configuration.layerCount {
      let statistics = try calibration.map {
        try CalibrationLayer(layer, in: $0, experts: configuration.expertCount(ofLayer: layer))
      }
      if let statistics { try check(statistics) }
      let inputs = pass.map { _ in ExpertInputs() }
      try pass?.runLayer(layer, tap: inputs)
      let turns = importancePass.map { _ in BlockTurns() }
      try importancePass?.runLayer(layer, tap: turns)
      units += try LayerMeasurement(
        layer: layer, options: self, statistics: statistics, inputs: inputs,
        predictedImportance: turns?.predictedImportance(seed: UInt64(layer))
      ).units()
      progress(layer + 1, configuration.layerCount)
    }
    var values: [String: [Double]] = [:]
    for score in scores { values[score.rawValue] = units.map { $0.scores[score] ?? 0 } }
    return try SensitivityTable(
      units: units.map { $0.unit(levels: levels.levels) }, scores: values,
      neuronBlocks: levels.levels.contains { $0.parts.count > 1 }
        ? NeuronBlocks(size: blockSize, levels: levels.levels) : nil)
  }

  private func pass(of sample: ExpertOutputSample) throws -> ForwardPass {
    try ForwardPass(sample.sequences, source: checkpoint, precision: sample.precision)
  }

  var rounding: LevelRounding {
    LevelRounding(grids: grids, error: error, blockSize: blockSize)
  }

  private func check() throws(MeasurementError) {
    let exponents = [
      ("α of the loss", factors.frequency), ("β of the loss", factors.routingWeight),
      ("α of pmq", pmq.frequency), ("β of pmq", pmq.routingWeight), ("γ of pmq", pmq.error),
    ]
    for (name, value) in exponents where !(value.isFinite && value >= 0) {
      throw .badExponent(name, value)
    }
    if calibration == nil {
      if case .gptq = error { throw .needsCalibration("gptq") }
      let free: [Sensitivity] = [.weightMSE, .expertOutput]
      let bound = required.subtracting(free).map(\.rawValue).sorted()
      if let first = bound.first { throw .needsCalibration(first) }
    }
    if required.contains(.expertOutput), expertOutput == nil {
      throw .needsExpertOutputSample(Sensitivity.expertOutput.rawValue)
    }
    if scores.contains(.predictedImportance), importanceSample == nil {
      throw .needsExpertOutputSample(Score.predictedImportance.rawValue)
    }
    if expertOutput != nil, granularity == .layer { throw .expertOutputOfLayers }
    guard blockSize > 0 else { throw .badBlockSize(blockSize) }
    if let mixed = levels.levels.first(where: { $0.parts.count > 1 }) {
      if granularity == .projection { throw .mixedProjection(mixed.bits) }
      if attention != .none { throw .mixedAttention(mixed.bits) }
    }
  }

  /// `output`, and `pmq` where ε is not measured, need S_w.
  private func check(_ statistics: CalibrationLayer) throws {
    let needing = [Sensitivity.output] + (expertOutput == nil ? [.pmq] : [])
    guard let sensitivity = needing.first(where: required.contains), !statistics.count.isEmpty,
      try statistics.routingWeightSquares(at: .gateUp(.expert(0))) == nil
    else { return }
    throw MeasurementError.needsRoutingWeightedSums(
      sensitivity.rawValue, layer: statistics.layer)
  }
}
