import BitAllocation
import Checkpoints
import Foundation
import JSON
import Sensitivity

/// model + statistics → sensitivity table of the experts.
public struct MeasureStage: Sendable {
  public static let name = "measure"
  static let epoch = 1

  public var model: URL
  /// Folder of a calibration; nil: no losses, no routing scores.
  public var calibration: URL?
  public var levels: [Int]
  public var groupSize: Int
  public var symmetric: Bool
  public var scores: Set<ExpertMeasurement.Score>

  public init(
    model: URL, calibration: URL?, levels: [Int], groupSize: Int, symmetric: Bool,
    scores: Set<ExpertMeasurement.Score>
  ) {
    self.model = model
    self.calibration = calibration
    self.levels = levels
    self.groupSize = groupSize
    self.symmetric = symmetric
    self.scores = scores
  }

  /// The stage of a pipeline; losses and routing scores are there if it `readsCalibration`.
  func stage(readsCalibration: Bool) throws -> Stage {
    var inputs = ["model": try StageSource.model(model)]
    if readsCalibration { inputs["calibration"] = .stage(CalibrateStage.name) }
    return Stage(
      name: Self.name, epoch: Self.epoch,
      parameters: [
        "granularity": "expert", "quantizer": "rtn", "scale": "relative",
        "levels": .array(levels.map { JSONValue($0) }), "groupSize": JSONValue(groupSize),
        "symmetric": JSONValue(symmetric),
        "scores": .array(scores.map(\.rawValue).sorted().map { JSONValue($0) }),
      ], inputs: inputs
    ) { context in
      var measure = self
      measure.calibration = context.inputs["calibration"]
      try measure.write(to: context)
    }
  }

  /// Writes `table.h5` into the context's folder.
  public func write(to context: StageContext) throws {
    let measurement = ExpertMeasurement(
      checkpoint: try Checkpoint(model), levels: levels, groupSize: groupSize,
      symmetric: symmetric, calibration: calibration, scores: scores)
    try measurement.table { context.progress(Double($0) / Double($1), "layer \($0) of \($1)") }
      .write(to: context.directory.appending(path: StageFile.table))
  }
}
