import Calibration
public import Checkpoints
public import Foundation
import MoEModels
import Quantization

/// How well calibration covers an MLP of a layer.
public struct BlockCoverage: Sendable, Equatable {
  public let layer: Int
  /// As plans call it.
  public let unit: String
  /// Tokens that were routed here; all of the layer where there is no routing.
  public let tokens: Int
  /// ``tokens`` over those of the layer.
  public let share: Double
  /// Σ of the applied routing weights.
  public let weight: Double
  /// Estimates for the damped Hessians of gate/up and of down; nil if not asked for or not to be had.
  public let gateUpCondition: Double?
  public let downCondition: Double?
  /// The largest relative damping that a module here was solved with; nil without a quantized model.
  public let damping: Double?
  /// What was done to modules here instead of the method asked for, sorted.
  public let fallbacks: [String]
}

/// The coverage of every expert by a calibration, and what came of it.
public enum CoverageReport {
  /// - Parameters:
  ///   - configuration: Of the model.
  ///   - calibration: Folder of layer files.
  ///   - modules: Of a model quantized with it; empty if there is none.
  ///   - damping: Relative damping of the condition estimates; nil: none are made.
  /// - Returns: One row for each MLP, layer after layer.
  /// - Throws: ``HDF5Error``.
  public static func rows(
    _ configuration: ModelConfiguration, calibration: URL, modules: [ModuleReport],
    damping: Double?
  ) throws -> [BlockCoverage] {
    let reports = Dictionary(grouping: modules.filter { $0.unit != nil }) { $0.unit ?? "" }
    return try (0..<configuration.layerCount).flatMap { layer in
      let statistics = try CalibrationLayer(
        layer, in: calibration, experts: configuration.expertCount(ofLayer: layer))
      return try configuration.gatedBlocks(layer: layer).map { block, linear in
        let unit = LinearModule.unit(layer: layer, block)
        let conditions = try damping.map { damping in
          try linear.map { try condition($0, statistics, damping: damping) }
        }
        let tokens = block.expert.map { Int(statistics.count[$0]) } ?? statistics.tokens
        return BlockCoverage(
          layer: layer, unit: unit, tokens: tokens,
          share: Double(tokens) / Double(max(statistics.tokens, 1)),
          weight: block.expert.map { statistics.weightAfter[$0] } ?? Double(statistics.tokens),
          gateUpCondition: conditions?.first ?? nil, downCondition: conditions?.last ?? nil,
          damping: reports[unit]?.compactMap(\.damping).max(),
          fallbacks: Set(reports[unit]?.compactMap(\.fallback?.rawValue) ?? []).sorted())
      }
    }
  }

  /// gate and up share their input; their second estimate is spared.
  private static func condition(
    _ module: LinearModule, _ statistics: CalibrationLayer, damping: Double
  ) throws -> Double? {
    guard module.projection != .up else { return nil }
    let tokens = try statistics.tokens(at: module.input)
    guard tokens > 0 else { return nil }
    let sum = try statistics.sum(at: module.input, order: module.columns)
    return try? ConditionEstimate(
      of: sum.scaled(by: 2 / Float(tokens)), relativeDamping: damping
    ).condition
  }
}
