import BitAllocation
import Calibration
import Checkpoints
import Foundation
import MoEModels
import Quantization

/// Fills a neuron table: routed experts, shared ones, and the MLPs of dense layers.
///
/// The loss of a neuron is that of ``NeuronLosses``, per token that reached the expert, divided by the
/// layer's Σ‖MoE output‖² / N as that of experts is (DECISIONS: Sensitivity, scale `relative`).
public struct NeuronMeasurement: Sendable {
  public var checkpoint: Checkpoint
  /// Whole bits, rising.
  public var bits: [Int]
  /// Grids of gate and up; of down's columns with one scale each.
  public var family: GridFamily
  /// Folder of the calibration.
  public var calibration: URL

  public init(checkpoint: Checkpoint, bits: [Int], family: GridFamily, calibration: URL) {
    self.checkpoint = checkpoint
    self.bits = bits
    self.family = family
    self.calibration = calibration
  }

  /// Measures layer after layer.
  ///
  /// - Parameter progress: Told how many layers of all are done.
  /// - Returns: Neurons ranked by the drop of loss from the lowest bits to the highest, ties by
  ///   index; an expert that no token reached has no losses and keeps its order.
  /// - Throws: ``NeuronTableError``, ``QuantizationError``, and what reading the files throws.
  public func table(
    progress: (_ layer: Int, _ layers: Int) -> Void = { _, _ in }
  ) throws -> NeuronTable {
    try NeuronTable.check(bits: bits)
    let configuration = checkpoint.configuration
    var experts: [NeuronTable.Expert] = []
    for layer in 0..<configuration.layerCount {
      let statistics = try statistics(ofLayer: layer)
      for (block, modules) in configuration.gatedBlocks(layer: layer) {
        let weights = try GatedWeights(of: modules, from: checkpoint)
        let moments = try GatedMoments(of: modules, statistics)
        let losses =
          moments.hasTokens && statistics.energyPerToken > 0
          ? try NeuronLosses(weights, moments: moments, bits: bits, family: family) : nil
        experts.append(
          NeuronTable.Expert(
            id: LinearModule.unit(layer: layer, block), layer: layer, expert: block.expert,
            weightsPerNeuron: weights.weightsPerNeuron,
            loss: losses?.flattened(dividedBy: statistics.energyPerToken) ?? [],
            order: (losses?.order(from: bits[0], to: bits[bits.count - 1])
              ?? .identity(weights.neurons))
              .neurons.map { Int32($0) }))
      }
      progress(layer + 1, configuration.layerCount)
    }
    return try NeuronTable(bits: bits, experts: experts)
  }

  /// What the experts of a plan lose as stored: cross terms and groups included, in the scale of the
  /// table. The difference from the table's prediction is what neuron units neglect.
  ///
  /// - Parameters:
  ///   - plan: For the table.
  ///   - table: Of this model and calibration.
  /// - Returns: One loss per expert, nil where no token came.
  /// - Throws: ``NeuronPlanError``, ``NeuronMeasurementError``, ``QuantizationError``, and what
  ///   reading the files throws.
  public func realisedLosses(of plan: NeuronPlan, in table: NeuronTable) throws -> [Double?] {
    var (losses, place): ([Double?], Int) = ([], 0)
    try plan.check(against: table, blockSize: 1)
    try check(table)
    let levels = try LevelSet(table.bits.map { try LevelMix(bits: Double($0)) })
    for layer in 0..<checkpoint.configuration.layerCount {
      let statistics = try statistics(ofLayer: layer)
      for (_, modules) in checkpoint.configuration.gatedBlocks(layer: layer) {
        let mixed = try MixedLevels(
          GatedWeights(of: modules, from: checkpoint),
          moments: GatedMoments(of: modules, statistics), levels: levels, family: family)
        let order = try NeuronOrder(table.experts[place].order.map { Int($0) })
        let loss = try mixed.loss(of: plan.entries[place].slices, order: order)
        losses.append(
          statistics.energyPerToken > 0 ? loss.map { $0 / statistics.energyPerToken } : nil)
        place += 1
      }
    }
    return losses
  }

  /// Refuses a table whose experts are not those of the model.
  private func check(_ table: NeuronTable) throws(NeuronMeasurementError) {
    let configuration = checkpoint.configuration
    let blocks = (0..<configuration.layerCount).flatMap { layer in
      configuration.gatedBlocks(layer: layer).map {
        (LinearModule.unit(layer: layer, $0.block), $0.modules[0].rows)
      }
    }
    guard blocks.count == table.experts.count else {
      throw .otherExperts(model: blocks.count, table: table.experts.count)
    }
    for ((id, neurons), expert) in zip(blocks, table.experts)
    where id != expert.id || neurons != expert.neurons {
      throw .otherExpert(
        model: "\(id) with \(neurons) neurons", table: "\(expert.id) with \(expert.neurons)")
    }
  }

  private func statistics(ofLayer layer: Int) throws -> CalibrationLayer {
    try CalibrationLayer(
      layer, in: calibration, experts: checkpoint.configuration.expertCount(ofLayer: layer))
  }
}

/// Why a neuron table does not belong to a model.
public enum NeuronMeasurementError: Error, Equatable, CustomStringConvertible {
  case otherExperts(model: Int, table: Int)
  case otherExpert(model: String, table: String)

  public var description: String {
    switch self {
    case .otherExperts(let model, let table):
      "The neuron table has \(table) experts, the model \(model); measure this model."
    case .otherExpert(let model, let table):
      "The neuron table has \(table) where the model has \(model); measure this model."
    }
  }
}

extension CalibrationLayer {
  /// Σ‖MoE output‖² / N.
  fileprivate var energyPerToken: Double { tokens > 0 ? outputEnergy / Double(tokens) : 0 }
}

extension NeuronLosses {
  /// Shape `[neurons, bits]`.
  fileprivate func flattened(dividedBy energy: Double) -> [Float] {
    let totals = bits.map { total(bits: $0) }
    return (0..<neurons).flatMap { neuron in totals.map { Float($0[neuron] / energy) } }
  }
}
