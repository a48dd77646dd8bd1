import BitAllocation
import Calibration
import Checkpoints
import Foundation
import JSON
import MoEModels
import Quantization
import Reconstruction
import Sensitivity
import Tensors

/// The pipeline of DESIGN §4: calibrate → measure → allocate → quantize → evaluate.
///
/// A stage is there only if the point reads it: rounding to nearest with a plan that needs no
/// statistics calibrates nothing, and full precision is evaluated at once.
public struct ModelPipeline: Pipeline {
  public init() {}

  public func stages(for parameters: PointParameters, seeds: [SeedStream: Int]) throws -> [Stage] {
    let model = parameters.url(parameters.model.path)
    let precision = Precision.resolved(parameters.compute)
    let evaluate = EvaluateStage(parameters, precision: precision)
    guard let quantizer = parameters.quantizer, let allocation = parameters.allocation,
      let budget = parameters.budget, let calibration = parameters.calibration
    else { return [try evaluate.stage(weights: .model(model))] }

    var stages: [Stage] = []
    let readsCalibration = parameters.readsCalibration
    let calibrate = CalibrateStage(
      model: model,
      corpora: calibration.corpus.map {
        CalibrateStage.Corpus(url: parameters.url($0.path), weight: $0.weight)
      },
      format: calibration.format, sequences: calibration.sequences,
      context: calibration.context, sampling: calibration.sampling,
      options: calibration.options, precision: precision,
      seed: calibration.seed(stream: seeds[.calibration] ?? 0))
    if readsCalibration { stages.append(try calibrate.stage()) }
    stages.append(
      try MeasureStage(
        model: model, calibration: nil, levels: allocation.levels,
        groupSize: quantizer.groupSize, symmetric: quantizer.symmetric,
        rangeSearch: quantizer.quantizationMethod.rangeSearch,
        scores: allocation.scores
      ).stage(readsCalibration: readsCalibration))
    stages.append(
      AllocateStage(
        allocator: allocation.allocator.rawValue, law: allocation.rankLaw,
        budget: budget.experts,
        seed: allocation.allocator == .random
          ? StageSeed.derive(from: seeds[.search] ?? 0, stage: AllocateStage.name) : nil
      ).stage())
    stages.append(
      try QuantizeStage(
        model: model, method: quantizer.quantizationMethod,
        attentionBits: try budget.attentionBits(),
        stream: quantizer.hessianStream == .quantized ? calibrate : nil
      ).stage())
    stages.append(try evaluate.stage(weights: .stage(QuantizeStage.name)))
    return stages
  }

  public func seedStreams(for parameters: PointParameters) -> Set<SeedStream> {
    var streams: Set<SeedStream> = []
    if parameters.readsCalibration { streams.insert(.calibration) }
    if parameters.quantizer != nil, parameters.allocation?.allocator == .random {
      streams.insert(.search)
    }
    return streams
  }

  public func problems(in points: [PointParameters]) -> [[InputProblem]] {
    ModelInputs.problems(in: points)
  }

  public func outcome(
    for parameters: PointParameters, artifacts: [String: URL]
  ) throws -> PointOutcome {
    try PointOutcome(parameters: parameters, artifacts: artifacts)
  }
}

extension PointParameters {
  /// Whether any stage of this point looks at calibration statistics.
  var readsCalibration: Bool {
    guard let quantizer, let allocation else { return false }
    return quantizer.quantizationMethod.readsCalibration || allocation.allocator == .frequency
  }
}

extension CalibrationParameters {
  var options: CalibrationOptions {
    CalibrationOptions(
      tokens: tokens.policy(mixture: mixture), routingWeighted: routingWeighted,
      storage: hessian.storage(block: hessianBlock))
  }

  /// GPTQ's draw takes the seed of the stream as it stands, so that published seeds mean the same.
  func seed(stream: Int) -> UInt64 {
    sampling == .gptq
      ? UInt64(max(stream, 0)) : StageSeed.derive(from: stream, stage: CalibrateStage.name)
  }
}

extension QuantizerParameters {
  var quantizationMethod: QuantizationMethod {
    let options = GPTQOptions(
      relativeDamping: damping, columns: actOrder ? .activation : .natural,
      scales: Quantization.GroupScales(rawValue: groupScales.rawValue) ?? .fresh,
      blockSize: blockSize)
    return QuantizationMethod(
      solver: method == .gptq
        ? .gptq(
          options, minimumTokens: minimumTokens, routingWeighted: routingWeighted)
        : .roundToNearest,
      groupSize: groupSize, symmetric: symmetric, rangeSearch: range == .mse ? RangeSearch() : nil)
  }
}

extension AllocationParameters {
  /// The scores that the allocator ranks by.
  var scores: Set<ExpertMeasurement.Score> {
    switch allocator {
    case .uniform, .random: []
    case .frequency: [.frequency]
    case .weightOutlier: [.weightOutlier]
    }
  }

  var rankLaw: RankLaw? {
    switch law {
    case nil: nil
    case .fill: .fill
    case .twoLevel: .twoLevel(low: Double(levels.first ?? 0), high: Double(levels.last ?? 0))
    }
  }
}

extension BudgetParameters {
  /// Attention is quantized at one level.
  func attentionBits() throws(SpecError) -> Int {
    guard let bits = Int(exactly: attention), (2...8).contains(bits) else {
      throw SpecError(
        .outOfRange(
          found: CanonicalJSON.number(attention),
          allowed: "a whole number from 2 to 8: attention is quantized at one level"),
        at: JSONPointer(["budget", "attention"]))
    }
    return bits
  }
}

extension EvaluateStage {
  init(_ parameters: PointParameters, precision: Precision) {
    let evaluation = parameters.evaluation
    self.init(
      corpora: (evaluation.perplexity?.corpora ?? [:]).sorted { $0.key < $1.key }.map {
        name, path in
        Corpus(
          name: name, url: parameters.url(path),
          format: evaluation.perplexity?.format ?? .text,
          context: evaluation.perplexity?.context ?? 0,
          convention: evaluation.perplexity?.protocol ?? .gptq,
          stride: evaluation.perplexity?.stride)
      },
      tasks: evaluation.tasks.sorted { $0.key < $1.key }.map { ($0.key, parameters.url($0.value)) },
      precision: precision)
  }
}

extension Precision {
  /// `auto` is bf16 where the CPU multiplies in it, f32 elsewhere; resolved before keys are formed.
  static func resolved(_ choice: ComputeChoice) -> Precision {
    switch choice {
    case .auto: .fastest
    case .f32: .f32
    case .bf16: .bf16
    }
  }
}
