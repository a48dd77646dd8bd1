import BitAllocation
import Checkpoints
import Foundation
import JSON
import Quantization
import Sensitivity

/// model + statistics → sensitivity table of the experts.
public struct MeasureStage: Sendable {
  public static let name = "measure"
  static let epoch = 1

  public var model: URL
  /// Folder of a calibration; nil: no losses, no routing scores.
  public var calibration: URL?
  public var levels: [Int]
  /// Weights that share a scale; nil: a whole row.
  public var groupSize: Int?
  public var symmetric: Bool
  public var rangeSearch: RangeSearch?
  public var scores: Set<ExpertMeasurement.Score>

  public init(
    model: URL, calibration: URL?, levels: [Int], groupSize: Int?, symmetric: Bool,
    rangeSearch: RangeSearch? = nil, scores: Set<ExpertMeasurement.Score>
  ) {
    self.model = model
    self.calibration = calibration
    self.levels = levels
    self.groupSize = groupSize
    self.symmetric = symmetric
    self.rangeSearch = rangeSearch
    self.scores = scores
  }

  /// The stage of a pipeline; losses and routing scores are there if it `readsCalibration`.
  func stage(readsCalibration: Bool) throws -> Stage {
    var inputs = ["model": try StageSource.model(model)]
    if readsCalibration { inputs["calibration"] = .stage(CalibrateStage.name) }
    var parameters = JSONObject([
      ("granularity", "expert"), ("quantizer", "rtn"), ("scale", "relative"),
      ("levels", .array(levels.map { JSONValue($0) })),
      ("groupSize", groupSize.map { JSONValue($0) } ?? .null),
      ("symmetric", JSONValue(symmetric)),
      ("scores", .array(scores.map(\.rawValue).sorted().map { JSONValue($0) })),
    ])
    if let rangeSearch { parameters["range"] = JSONValue(rangeSearch) }
    return Stage(
      name: Self.name, epoch: Self.epoch, parameters: .object(parameters), inputs: inputs
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
      symmetric: symmetric, rangeSearch: rangeSearch, calibration: calibration, scores: scores)
    try measurement.table { context.progress(Double($0) / Double($1), "layer \($0) of \($1)") }
      .write(to: context.directory.appending(path: StageFile.table))
  }
}
