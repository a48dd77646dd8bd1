import BitAllocation
import Checkpoints
import Foundation
import JSON
import MoEModels
import Quantization
import Sensitivity

/// model + statistics → sensitivity table.
public struct MeasureStage: Sendable {
  public static let name = "measure"
  static let epoch = 2

  public var model: URL
  /// What a table is about.
  public enum Granularity: Sendable, Equatable {
    case units(ExpertMeasurement.Granularity)
    /// Arrays instead of units; whole levels.
    case neurons
  }

  /// What is measured; its checkpoint and calibration are set when the stage runs.
  public struct Options: Sendable {
    public var levels: LevelSet
    /// Neurons of a block of half levels and mixes.
    public var blockSize = 32
    public var grids: GridFamily
    public var granularity = Granularity.units(.expert)
    public var error = ExpertMeasurement.WeightError.rtn
    public var scale = ExpertMeasurement.Scale.relative
    public var factors = ExpertMeasurement.LossFactors()
    public var scores: Set<ExpertMeasurement.Score> = []
    public var required: Set<Sensitivity> = []

    public init(levels: LevelSet, grids: GridFamily) {
      (self.levels, self.grids) = (levels, grids)
    }
  }

  public var options: Options
  /// Whose windows the errors of experts' outputs, and predictors of importance, are made of; nil:
  /// there are none.
  public var outputs: CalibrateStage?

  public init(model: URL, options: Options, outputs: CalibrateStage? = nil) {
    (self.model, self.options, self.outputs) = (model, options, outputs)
  }

  /// The stage of a pipeline; losses and routing scores are there if it `readsCalibration`.
  func stage(readsCalibration: Bool) throws -> Stage {
    var inputs = ["model": try StageSource.model(model)]
    if readsCalibration { inputs["calibration"] = .stage(CalibrateStage.name) }
    var parameters = options.json
    if let outputs {
      parameters["outputs"] = .object(outputs.parameters)
      inputs.merge(outputs.textInputs) { $1 }
    }
    return Stage(
      name: Self.name, epoch: Self.epoch, parameters: .object(parameters), inputs: inputs
    ) { context in
      let file = context.directory.appending(path: StageFile.table)
      let checkpoint = try Checkpoint(model)
      if let neurons = try options.neuronMeasurement(checkpoint, context.inputs["calibration"]) {
        return try neurons.table {
          context.progress(Double($0) / Double($1), "layer \($0) of \($1)")
        }.write(to: file)
      }
      var measurement = options.measurement(checkpoint)
      measurement.calibration = context.inputs["calibration"]
      if let outputs {
        let sample = try outputs.expertOutputSample()
        if options.required.contains(.expertOutput) { measurement.expertOutput = sample }
        measurement.importanceSample = sample
        try context.recordForwardTokens(outputs.sequences * outputs.context)
      }
      try measurement.table { context.progress(Double($0) / Double($1), "layer \($0) of \($1)") }
        .write(to: file)
    }
  }
}

extension MeasureStage.Options {
  /// As it enters the key; what has no effect is left out.
  var json: JSONObject {
    var object = JSONObject([
      ("granularity", JSONValue(granularity.name)), ("scale", JSONValue(scale.rawValue)),
      ("levels", .array(levels.levels.map(\.json))),
      ("scores", .array(scores.map(\.rawValue).sorted().map { JSONValue($0) })),
      ("required", .array(required.map(\.rawValue).sorted().map { JSONValue($0) })),
    ])
    object.insert(grids)
    if levels.levels.contains(where: { $0.parts.count > 1 }) {
      object["blockSize"] = JSONValue(blockSize)
    }
    if factors != ExpertMeasurement.LossFactors() {
      object["factors"] = [
        "frequency": JSONValue(factors.frequency),
        "routingWeight": JSONValue(factors.routingWeight),
      ]
    }
    switch error {
    case .rtn: object["error"] = "rtn"
    case .gptq(let options, let minimumTokens):
      object["error"] = "gptq"
      object["damping"] = JSONValue(options.relativeDamping)
      object["columns"] = JSONValue(options.columns.rawValue)
      object["groupScales"] = JSONValue(options.scales.rawValue)
      object["blockSize"] = JSONValue(options.blockSize)
      object["minimumTokens"] = JSONValue(minimumTokens)
    }
    return object
  }

  /// A measurement of a checkpoint's neurons; nil where units are measured.
  ///
  /// - Parameters:
  ///   - checkpoint: Its weights.
  ///   - calibration: Folder of the calibration.
  /// - Returns: The measurement.
  /// - Throws: ``MeasurementError`` without a calibration.
  public func neuronMeasurement(
    _ checkpoint: Checkpoint, _ calibration: URL?
  ) throws(MeasurementError) -> NeuronMeasurement? {
    guard granularity == .neurons else { return nil }
    guard let calibration else { throw .needsCalibration("neuron") }
    return NeuronMeasurement(
      checkpoint: checkpoint, bits: levels.wholeBits, family: grids, calibration: calibration)
  }

  /// A measurement of a checkpoint, without calibration.
  public func measurement(_ checkpoint: Checkpoint) -> ExpertMeasurement {
    var measurement = ExpertMeasurement(
      checkpoint: checkpoint, levels: levels, grids: grids, calibration: nil, scores: scores)
    if case .units(let unit) = granularity { measurement.granularity = unit }
    measurement.blockSize = blockSize
    measurement.error = error
    measurement.scale = scale
    measurement.factors = factors
    measurement.required = required
    return measurement
  }
}

extension MeasureStage.Granularity {
  /// As specs have it.
  var name: String {
    switch self {
    case .units(let unit): unit.rawValue
    case .neurons: "neuron"
    }
  }
}

extension CalibrateStage {
  /// Its windows, as what errors of experts' outputs are measured on.
  ///
  /// - Returns: The windows.
  /// - Throws: What reading texts throws.
  public func expertOutputSample() throws -> ExpertMeasurement.ExpertOutputSample {
    let (sample, _) = try sample(ModelFolder(model).tokenizer())
    return ExpertMeasurement.ExpertOutputSample(
      sequences: sample.sequences, precision: precision)
  }
}
