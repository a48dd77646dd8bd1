import Checkpoints
import Foundation
import JSON
import Reconstruction

/// One level of the level store: the model with every MLP at the same bits.
///
/// A stage a level, so that another set of levels quantizes only what is new.
struct LevelStage: Sendable {
  static let epoch = 1

  let quantize: QuantizeStage
  let bits: Int

  static func name(_ bits: Int) -> String { "level-\(bits)" }

  func stage() throws -> Stage {
    var stage = try quantize.stage()
    guard var parameters = stage.parameters.objectValue else { return stage }
    parameters["bits"] = JSONValue(bits)
    stage.parameters = .object(parameters)
    stage.name = Self.name(bits)
    stage.epoch = 1000 * Self.epoch + QuantizeStage.epoch
    stage.inputs["plan"] = nil
    stage.body = { [quantize, bits] context in
      try quantize.write(
        level: bits, calibration: context.inputs["calibration"], to: context)
    }
    return stage
  }
}
