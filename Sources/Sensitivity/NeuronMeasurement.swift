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
    guard let low = bits.first, let high = bits.last else { throw NeuronTableError.badBits(bits) }
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
            order: (losses?.order(from: low, to: high) ?? .identity(weights.neurons))
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
  /// - Throws: ``QuantizationError``, and what reading the files throws.
  public func realisedLosses(of plan: NeuronPlan, in table: NeuronTable) throws -> [Double?] {
    var (losses, place): ([Double?], Int) = ([], 0)
    let levels = try LevelSet(bits.map { try LevelMix(bits: Double($0)) })
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

  private func statistics(ofLayer layer: Int) throws -> CalibrationLayer {
    try CalibrationLayer(
      layer, in: calibration, experts: checkpoint.configuration.expertCount(ofLayer: layer))
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
