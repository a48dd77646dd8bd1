import BitAllocation
import Checkpoints
import Foundation
import JSON
import Reconstruction

/// One level of the level store: the model with every MLP at the same level.
///
/// A stage a level, so that another set of levels quantizes only what is new.
struct LevelStage: Sendable {
  static let epoch = 1

  let quantize: QuantizeStage
  let level: LevelMix
  /// Neurons of a block of half levels and mixes.
  let blockSize: Int

  static func name(_ level: LevelMix) -> String {
    "level-\(CanonicalJSON.number(level.bits))"
  }

  func stage() throws -> Stage {
    var stage = try quantize.stage()
    guard var parameters = stage.parameters.objectValue else { return stage }
    parameters["bits"] = JSONValue(level.bits)
    if level.parts.count > 1 {
      parameters["neuronBlocks"] = try NeuronBlocks(size: blockSize, levels: [level]).json
    }
    stage.parameters = .object(parameters)
    stage.name = Self.name(level)
    stage.epoch = 1000 * Self.epoch + QuantizeStage.epoch
    stage.inputs["plan"] = nil
    stage.body = { [quantize, level, blockSize] context in
      var quantize = quantize
      quantize.gradients = context.inputs["gradients"]
      try quantize.write(
        level: level, blockSize: blockSize, calibration: context.inputs["calibration"],
        to: context)
    }
    return stage
  }
}
