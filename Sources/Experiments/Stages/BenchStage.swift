import Evaluation
import Foundation
import JSON
import MoEModels
import Statistics
import Tensors

/// quantized weights → tokens per second, time to the first token, memory, bytes per token.
///
/// The full-precision model takes turns with the quantized one, and so does a uniform one if asked
/// for, each in a process of its own; ratios are formed within a repeat. The machine is part of the
/// key: a speed is measured anew on another one.
struct BenchStage: Sendable {
  static let name = "bench"
  static let epoch = 1
  /// Stage of the uniform model.
  static let uniform = "bench-uniform"

  var measurement: SpeedMeasurement
  let execution: SpeedSubject.Execution
  let compute: ComputeMode
  let machine: SpeedMachine
  let host: SpeedHost
  var comparesUniform = false

  init(
    _ parameters: SpeedParameters, compute: ComputeMode, machine: SpeedMachine, host: SpeedHost
  ) {
    measurement = SpeedMeasurement()
    (measurement.promptTokens, measurement.steps) = (parameters.promptTokens, parameters.steps)
    measurement.repeats = parameters.repeats
    execution = parameters.execution
    (self.compute, self.machine, self.host) = (compute, machine, host)
  }

  /// The stage of a pipeline.
  ///
  /// - Parameters:
  ///   - model: The full-precision folder.
  ///   - isQuantized: Whether the `quantize` stage's weights are timed beside it.
  /// - Returns: It.
  /// - Throws: What looking at the model throws.
  func stage(model: URL, isQuantized: Bool) throws -> Stage {
    var inputs = ["model": try StageSource.model(model)]
    if isQuantized { inputs["weights"] = .stage(QuantizeStage.name) }
    if comparesUniform { inputs["uniform"] = .stage(Self.uniform) }
    return Stage(
      name: Self.name, epoch: Self.epoch,
      parameters: [
        "compute": JSONValue(compute.rawValue), "execution": JSONValue(execution.rawValue),
        "promptTokens": JSONValue(measurement.promptTokens),
        "steps": JSONValue(measurement.steps), "repeats": JSONValue(measurement.repeats),
        "machine": try JSONValue(encoding: machine),
      ], inputs: inputs
    ) { context in
      try write(
        weights: context.inputs["weights"], uniform: context.inputs["uniform"],
        model: context.input("model"), to: context)
    }
  }

  private func write(
    weights: URL?, uniform: URL?, model: URL, to context: StageContext
  ) throws {
    let folders = [weights, model, uniform].compactMap(\.self)
    let before = SpeedMachine.load
    let speeds = try measurement.measure(
      folders.map { SpeedSubject(folder: $0, execution: execution, compute: compute) },
      on: host
    ) { context.progress($0, "turns of \(folders.count) models") }
    let report = Report(
      measurement: measurement, machine: machine,
      loads: [before, SpeedMachine.load].compactMap(\.self), weights: speeds[0],
      fullPrecision: weights == nil ? nil : speeds[1],
      uniform: uniform == nil ? nil : speeds[2])
    try context.write(try JSONValue(encoding: report), to: StageFile.speed)
    try context.write(
      try JSONValue(encoding: report.metrics(definition: definition)), to: StageFile.metrics)
    let turns = folders.count * (measurement.repeats + 1)
    try context.recordForwardTokens(turns * (measurement.promptTokens + measurement.steps))
  }

  /// What fixes these numbers: the machine, and what was asked for.
  private var definition: JSONValue {
    [
      "protocol": "medians of interleaved repeats", "compute": JSONValue(compute.rawValue),
      "promptTokens": JSONValue(measurement.promptTokens), "steps": JSONValue(measurement.steps),
      "machine": machine.json,
    ]
  }
}

extension BenchStage {
  /// `speed.json`: every repeat.
  struct Report: Codable, Sendable {
    var measurement: SpeedMeasurement
    var machine: SpeedMachine
    /// Of the system before and after, processes on average over a minute.
    var loads: [Double]
    /// What the point is about.
    var weights: ModelSpeed
    /// nil where that is full precision.
    var fullPrecision: ModelSpeed?
    var uniform: ModelSpeed?
  }

  /// The metrics that a point leaves which asks for this.
  static func metricNames(_ parameters: SpeedParameters) -> [String] {
    let always = [
      "prefill-tokens-per-second", "decode-tokens-per-second", "first-token-seconds",
      "model-memory", "loading-memory", "bytes-per-token", "prefill-speedup", "decode-speedup",
    ]
    guard parameters.uniformBits != nil else { return always }
    return always + ["prefill-speedup-over-uniform", "decode-speedup-over-uniform"]
  }
}

extension BenchStage.Report {
  /// Medians over the repeats, with intervals; ratios are above 1 where the point is faster.
  func metrics(definition: JSONValue) -> [Metric] {
    var found = [
      metric("prefill-tokens-per-second", "tokens/s", weights.times.promptTokensPerSecond),
      metric("decode-tokens-per-second", "tokens/s", weights.times.stepsPerSecond),
      metric("first-token-seconds", "s", weights.times.promptSeconds, higherIsBetter: false),
      metric("model-memory", "bytes", [Double(weights.runningMemory)], higherIsBetter: false),
      metric("loading-memory", "bytes", [Double(weights.loadingMemory)], higherIsBetter: false),
      metric("bytes-per-token", "bytes", [weights.bytesPerToken], higherIsBetter: false),
    ]
    for (suffix, other) in [("", fullPrecision), ("-over-uniform", uniform)] {
      guard let other else { continue }
      found += [
        metric("prefill-speedup\(suffix)", "1", weights.times.promptSpeedup(over: other.times)),
        metric("decode-speedup\(suffix)", "1", weights.times.stepSpeedup(over: other.times)),
      ]
    }
    return found.map {
      var metric = $0
      metric.definition.protocolParameters = definition
      return metric
    }
  }

  private func metric(
    _ name: String, _ unit: String, _ values: [Double], higherIsBetter: Bool = true
  ) -> Metric {
    let estimate = MedianEstimate(values)
    return Metric(
      definition: MetricDefinition(
        name: name, scope: "all", unit: unit, higherIsBetter: higherIsBetter,
        protocolParameters: .null),
      value: estimate?.median ?? .nan, items: values.count,
      interval: estimate?.interval.map { MetricInterval(lower: $0.lower, upper: $0.upper) })
  }

  /// What a reader must know to believe the numbers.
  var remarks: [String] {
    var remarks: [String] = []
    if measurement.repeats < 6 {
      remarks.append("Speeds have no intervals: those need 6 repeats.")
    }
    // One process is the measurement's own.
    if let load = loads.max(), load > Double(machine.threads) + 0.5 {
      remarks.append("Speed was measured while other programs used the processor.")
    }
    return remarks
  }
}
