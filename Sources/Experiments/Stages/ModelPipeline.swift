import BitAllocation
import Calibration
import Checkpoints
public import Evaluation
import Foundation
import JSON
import MoEModels
import Quantization
import Reconstruction
import Sensitivity
import Tensors

/// The pipeline of DESIGN §4: calibrate → measure → allocate → quantize → evaluate, bench.
///
/// A stage is there only if the point reads it: rounding to nearest with a plan that needs no
/// statistics calibrates nothing, and full precision is evaluated at once.
public struct ModelPipeline: Pipeline {
  /// Where models are timed.
  public var speedHost: SpeedHost

  public init(speedHost: SpeedHost = .threads) { self.speedHost = speedHost }

  public func stages(for parameters: PointParameters, seeds: [SeedStream: Int]) throws -> [Stage] {
    let model = parameters.url(parameters.model.path)
    let precision = Precision.resolved(parameters.compute)
    let evaluate = try EvaluateStage(parameters, precision: precision).withDefinedTasks(
      of: parameters,
      seed: StageSeed.derive(from: seeds[.evaluation] ?? 0, stage: EvaluateStage.name))
    guard let quantizer = parameters.quantizer, let allocation = parameters.allocation,
      let budget = parameters.budget, let calibration = parameters.calibration
    else {
      return [try evaluate.stage(weights: .model(model))]
        + (try parameters.divergenceStages(precision: precision).map {
          [try $0.reference.stage(), $0.divergence.stage(weights: try .model(model))]
        } ?? [])
        + (try parameters.benchStages(quantize: nil, compute: ComputeMode(precision), on: speedHost))
    }

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
    let method = quantizer.quantizationMethod
    if let gradients = parameters.gradientOptions {
      stages.append(try GradientStage(windows: calibrate, options: gradients).stage())
    }
    let summed = parameters.summedTable(calibrate, allocation.measureOptions(method))
    if let summed { stages += try summed.stages(model: model) }
    if summed == nil {
      var measure = MeasureStage(
        model: model, options: allocation.measureOptions(method),
        outputs: allocation.readsTokens ? calibrate : nil)
      measure.readsGradients = allocation.gradientOptions != nil
      stages.append(try measure.stage(readsCalibration: readsCalibration))
    }
    var quantize = QuantizeStage(
      model: model, method: method, attentionBits: try budget.attentionBits(),
      stream: quantizer.hessianStream == .quantized || method.learns ? calibrate : nil,
      ranksNeurons: allocation.ranksNeurons)
    if method.judgesBlocks { quantize.axisSample = calibrate }
    let options = allocation.allocateOptions(budget.bounds)
    var allocate = AllocateStage(
      options: options,
      seed: options.readsSeed
        ? StageSeed.derive(from: seeds[.search] ?? 0, stage: AllocateStage.name) : nil)
    if budget.total != nil {
      allocate.attention = try method.attentionModules(
        of: ModelFolder(model).configuration, bits: quantize.attentionBits)
    }
    if allocation.fitness == .measured, let text = allocation.fitnessText {
      // The level store is of the full-precision stream (DECISIONS: Measured fitness).
      var store = quantize
      store.stream = nil
      for level in allocation.levels.levels {
        stages.append(
          try LevelStage(quantize: store, level: level, blockSize: allocation.blockSize).stage())
      }
      allocate.measured = AllocateStage.Measured(
        model: model, corpora: text.corpus.map(parameters.url), format: text.format,
        sequences: text.sequences, selectionSequences: text.selectionSequences,
        context: text.context, precision: precision, levels: allocation.levels.levels)
    }
    stages += [try allocate.stage(), try quantize.stage()]
    if let measured = allocate.measured, let seed = allocate.seed {
      stages.append(try RequantizedStage(measured: measured, seed: seed).stage())
    }
    stages.append(try evaluate.stage(weights: .stage(QuantizeStage.name)))
    if let structure = StructureStage(parameters, seeds: seeds) {
      stages += try structure.stages(
        quantize: quantize, options: allocation.measureOptions(method), outputs: calibrate)
    }
    if let (reference, divergence) = parameters.divergenceStages(precision: precision) {
      stages += [
        try reference.stage(), divergence.stage(weights: .stage(QuantizeStage.name)),
      ]
    }
    stages += try parameters.benchStages(
      quantize: quantize, compute: ComputeMode(precision, evaluate.activations), on: speedHost)
    return stages
  }

  public func seedStreams(for parameters: PointParameters) -> Set<SeedStream> {
    var streams: Set<SeedStream> = []
    if parameters.drawsCalibration || parameters.allocation?.calibrationTexts != nil {
      streams.insert(.calibration)
    }
    if parameters.quantizer != nil, parameters.allocation?.readsSeed ?? false {
      streams.insert(.search)
    }
    let draws = parameters.evaluation.definedTasks.contains { ($0.task.temperature ?? 0) > 0 }
    if parameters.structure != nil || draws { streams.insert(.evaluation) }
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
    return quantizer.quantizationMethod.readsCalibration || structure != nil
      || allocation.readsCalibration && allocation.calibrationTexts == nil
  }
}

extension PointParameters {
  /// Whether any stage of this point draws windows of the calibration's text.
  var drawsCalibration: Bool {
    let method = quantizer?.quantizationMethod
    return readsCalibration || gradientOptions != nil || method?.learns ?? false
      || method?.judgesBlocks ?? false
  }

  /// What stages need of the gradient; nil if nothing.
  var gradientOptions: GradientWriter.Options? {
    let table = allocation?.gradientOptions
    guard quantizer?.quantizationMethod.readsFisher ?? false else { return table }
    return GradientWriter.Options(fisher: true, outputSlopes: table?.outputSlopes ?? false)
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
    let solver: QuantizationMethod.Solver =
      switch method {
      case .rtn: .roundToNearest
      case .gptq:
        .gptq(options, minimumTokens: minimumTokens, routingWeighted: routingWeighted)
      case .squeezellm: .codebooks(codebooks?.options ?? CodebookOptions())
      case .omniquant: .omniQuant(omniquant?.options ?? OmniQuantOptions())
      }
    return QuantizationMethod(
      solver: solver,
      grids: GridFamily(
        groupSize: groupSize, symmetric: symmetric,
        rangeSearch: range == .mse ? RangeSearch() : nil, scaleRounding: scaleRounding,
        symmetricRange: symmetricRange),
      outliers: outliers?.rule, axis: axis ?? .outputChannel, importance: importance ?? .fisher)
  }
}

extension AllocationParameters {
  /// Whether the table needs losses or routing scores.
  var readsCalibration: Bool {
    ranksNeurons
      || !["uniform", "random", "weight-outlier", "first-layers", "last-layers"].contains(allocator)
  }

  /// Whether the measurement sends the calibration's windows through the model.
  var readsTokens: Bool {
    sensitivity == "expert-output" || allocator == "predicted-importance"
  }

  /// Neurons are ranked by their losses, whoever decides how many get which bits.
  var ranksNeurons: Bool {
    granularity == "neuron" || levels.levels.contains { $0.parts.count > 1 }
  }

  var readsSeed: Bool { allocator == "random" || SearchOptions.searches.contains(allocator) }

  func measureOptions(_ method: QuantizationMethod) -> MeasureStage.Options {
    var options = MeasureStage.Options(
      levels: levels, grids: method.grids)
    options.granularity =
      ExpertMeasurement.Granularity(rawValue: granularity).map { .units($0) } ?? .neurons
    options.blockSize = blockSize
    options.scale = ExpertMeasurement.Scale(rawValue: scale) ?? .relative
    options.factors = ExpertMeasurement.LossFactors(
      frequency: factors.frequency, routingWeight: factors.routingWeight)
    if error == .gptq {
      options.error =
        switch method.solver {
        case .gptq(let gptq, let minimumTokens, _): .gptq(gptq, minimumTokens: minimumTokens)
        case .roundToNearest, .codebooks, .omniQuant: .gptq
        }
    }
    if let score = ExpertMeasurement.Score(rawValue: allocator) { options.scores = [score] }
    let named = sensitivity ?? ["hawq-ilp": "hawq-trace", "pmq": "pmq"][allocator]
    if let required = named.flatMap(Sensitivity.init(rawValue:)) { options.required = [required] }
    if gradientOptions == nil {
      // Nobody reads these losses, so no gradient is taken for them.
      options.required.subtract([.fisher, .fisherCondition])
      if options.scale == .gradient { options.scale = .relative }
    }
    return options
  }

  func allocateOptions(_ bounds: [Budget.Bound]) -> AllocateStage.Options {
    var options = AllocateStage.Options(allocator: allocator, budget: Budget(bounds: bounds))
    options.law = rankLaw
    options.search = search
    options.scope = AllocationProblem.Scope(rawValue: scope) ?? .model
    options.requirements = require.map {
      AllocationProblem.Requirement(bits: $0.bits, count: $0.count)
    }
    options.bits = (floor ?? 0)...(ceiling ?? .infinity)
    options.sensitivity = sensitivity
    options.blockSize = blockSize
    return options
  }

  var rankLaw: RankLaw? {
    switch law {
    case nil: nil
    case .fill: .fill
    case .twoLevel:
      .twoLevel(
        low: levels.levels.first?.bits ?? 0, high: levels.levels.last?.bits ?? 0)
    }
  }
}

extension QuantizationMethod {
  /// Attention as it will be stored.
  func attentionModules(of configuration: ModelConfiguration, bits: Int) -> [QuantizedModule] {
    (0..<configuration.layerCount).flatMap { layer in
      configuration.linearModules(layer: layer).filter { $0.unit == nil }.map { module in
        QuantizedModule(
          name: module.tensor, part: .attention, weights: module.weights,
          codeBits: Double(bits * module.weights),
          metadataBits: Double(
            grids.metadataBits(rows: module.rows, columns: module.columns, bits: bits)),
          groupSize: grids.groupSize)
      }
    }
  }
}

extension BudgetParameters {
  /// What an allocator is bound by.
  var bounds: [Budget.Bound] {
    if let total, let ledger = Ledger(rawValue: total.ledger) {
      return [Budget.Bound(.ledger(ledger), total.value)]
    }
    return [Budget.Bound(.experts, experts)]
  }

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
  /// Without the tasks that have definitions, which must be read first.
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
      tasks: evaluation.itemFiles.map { ($0.name, parameters.url($0.path)) }, precision: precision)
    activations = parameters.activations
  }
}

extension PointParameters {
  /// Of quantized points; full precision has no packed products.
  var activations: Activations {
    compute == .int8Activations && quantizer != nil ? .int8 : .exact
  }
}

extension Precision {
  /// `auto` is bf16 where the CPU multiplies in it, f32 elsewhere; resolved before keys are formed.
  static func resolved(_ choice: ComputeChoice) -> Precision {
    switch choice {
    case .auto: .fastest
    case .f32, .int8Activations: .f32
    case .bf16: .bf16
    }
  }
}
