import BitAllocation
public import Evaluation
import Foundation
import MoEModels
import Quantization
import Reconstruction
import Tensors

/// `evaluation.speed`: how fast the model runs on this machine.
public struct SpeedParameters: Codable, Sendable, Equatable {
  public let promptTokens: Int
  /// Tokens that are decoded one by one.
  public let steps: Int
  public let repeats: Int
  public let execution: SpeedSubject.Execution
  /// Bits of experts of a uniform model to compare with; nil: none.
  public let uniformBits: Int?
}

extension ParameterGroup {
  static let speed = ParameterGroup([
    ParameterField(
      "promptTokens", .integer(1...1_048_576), .defaulting(128), "Tokens of the prompt."),
    ParameterField(
      "steps", .integer(1...1_048_576), .defaulting(32), "Tokens that are decoded one by one."),
    ParameterField(
      "repeats", .integer(1...100_000), .defaulting(9),
      "Turns that count, after one that does not; intervals need 6."),
    ParameterField(
      "execution", .choice(SpeedSubject.Execution.allCases.map(\.rawValue)),
      .defaulting("packed"),
      "packed: from packed weights where every one has a kernel; dequantized: widened when loaded."),
    ParameterField(
      "uniformBits", .integer(1...8), .optional, nullable: true,
      "Bits of a model whose experts are all rounded to nearest at that level, to take turns with."),
  ])
}

extension PointParameters {
  /// The stages that measure speed: a uniform model first, if one is asked for.
  ///
  /// - Parameters:
  ///   - quantize: Of this point; nil: full precision.
  ///   - compute: Arithmetic.
  ///   - host: Where models are timed.
  /// - Returns: None where nobody asked for speed.
  /// - Throws: What looking at the model throws.
  func benchStages(
    quantize: QuantizeStage?, compute: ComputeMode, on host: SpeedHost
  ) throws -> [Stage] {
    guard let speed = evaluation.speed else { return [] }
    var bench = BenchStage(speed, compute: compute, machine: .current, host: host)
    guard var uniform = quantize, let bits = speed.uniformBits else {
      return [try bench.stage(model: url(model.path), isQuantized: quantize != nil)]
    }
    // Neither kernels nor bytes depend on how codes were chosen.
    uniform.method = QuantizationMethod(solver: .roundToNearest, grids: uniform.method.grids)
    uniform.stream = nil
    uniform.ranksNeurons = false
    var level = try LevelStage(
      quantize: uniform, level: LevelMix(bits: Double(bits)), blockSize: 1
    ).stage()
    level.name = BenchStage.uniform
    bench.comparesUniform = true
    return [level, try bench.stage(model: url(model.path), isQuantized: true)]
  }

  /// Names of ``benchStages(quantize:compute:on:)``.
  var benchStageNames: [String] {
    guard let speed = evaluation.speed else { return [] }
    return (speed.uniformBits == nil ? [] : [BenchStage.uniform]) + [BenchStage.name]
  }
}
