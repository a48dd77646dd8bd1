import BitAllocation
import Checkpoints
import Foundation
import JSON
import MoEModels
import Reconstruction
import Tensors

extension PointOutcome {
  /// Reads what the stages of a point left in their folders, by stage name.
  init(parameters: PointParameters, artifacts: [String: URL]) throws {
    let model = parameters.url(parameters.model.path)
    self.init(
      metrics: try Self.read([Metric].self, StageFile.metrics, of: EvaluateStage.name, artifacts),
      ledgers: [:], forced: false, counts: [:], remarks: [],
      facts: [
        "model": JSONValue(model.lastPathComponent),
        // What `auto` became on the machine that ran this.
        "compute": JSONValue(
          ComputeMode(.resolved(parameters.compute), parameters.activations).rawValue),
      ])
    for stage in [ReferenceStage.name, DivergenceStage.name, BenchStage.name]
    where artifacts[stage] != nil {
      metrics += try Self.read([Metric].self, StageFile.metrics, of: stage, artifacts)
    }
    if artifacts[BenchStage.name] != nil {
      let bench = try Self.read(
        BenchStage.Report.self, StageFile.speed, of: BenchStage.name, artifacts)
      remarks += bench.remarks
      facts["speed-mode"] = JSONValue(bench.weights.mode)
    }
    let checkpoint = try Checkpoint(model)
    facts["model-parameters"] = JSONValue(checkpoint.parameterCount)
    guard let quantized = artifacts[QuantizeStage.name] else {
      ledgers = try Self.ledgers(of: checkpoint)
      return
    }
    let modules = try Self.read(
      [ModuleReport].self, StageFile.modules, of: QuantizeStage.name, artifacts)
    let file = try QuantizedCheckpoint(quantized)
    ledgers = Ledger.values(
      of: modules.map(QuantizedModule.init), fileBytes: file.byteCount,
      unquantized: Self.unquantized(file))
    add(modules)
    let plan = try Self.read(JSONValue.self, StageFile.plan, of: AllocateStage.name, artifacts)
    if case .bool(let value) = plan["forced"] { forced = value }
    if artifacts[RequantizedStage.name] != nil {
      let divergence = try Self.read(
        JSONValue.self, StageFile.divergence, of: RequantizedStage.name, artifacts)
      metrics += Self.fitness(search: plan["search"], requantized: divergence)
    }
    if artifacts[CalibrateStage.name] != nil {
      let calibration = try Self.read(
        JSONValue.self, StageFile.calibration, of: CalibrateStage.name, artifacts)
      facts["calibration-tokens"] = calibration["tokens"]
    }
  }

  /// Tensors that keep their precision.
  private static func unquantized(_ file: QuantizedCheckpoint) -> UnquantizedTensors {
    let weights = Set(file.quantizedWeights)
    let plain = file.tensorNames.filter {
      !weights.contains(SlicedTensors.weight(ofPart: $0) ?? "")
    }
    return plain.compactMap(file.info).reduce(UnquantizedTensors(weights: 0, bits: 0)) {
      UnquantizedTensors(
        weights: $0.weights + $1.elementCount, bits: $0.bits + Double(8 * $1.byteCount))
    }
  }

  /// What a search measured of its plan, and what the plan measures once it is quantized.
  private static func fitness(search: JSONValue?, requantized: JSONValue) -> [Metric] {
    let values = [
      ("search", search?["best"]), ("selection", search?["selectionFitness"]),
      ("search, requantized", requantized["search"]),
      ("selection, requantized", requantized["selection"]),
    ]
    return values.compactMap { scope, value in
      guard let value = value?.doubleValue else { return nil }
      return Metric(
        definition: MetricDefinition(
          name: "fitness", scope: scope, unit: "nats/token", higherIsBetter: false,
          protocolParameters: ["protocol": "mean-kl"]), value: value, items: 1)
    }
  }

  /// Counts what went otherwise than asked for, and says it.
  mutating func add(_ modules: [ModuleReport]) {
    let experts = modules.filter { $0.unit != nil }
    counts["rtn-fallbacks"] = modules.count { $0.fallback != nil }
    counts["uncovered-experts"] =
      Set(experts.filter { $0.calibrationTokens == 0 }.compactMap(\.unit)).count
    counts["singular-hessians"] = modules.count(where: \.hasSingularHessian)
    if modules.contains(where: { $0.importance != nil }) {
      counts["uninformed-modules"] = modules.count { ($0.uninformedRows ?? 0) > 0 }
    }
    if modules.contains(where: { $0.axis != nil }) {
      counts["input-channel-modules"] = modules.count { $0.form == .inputChannel }
    }
    counts["damping-escalations"] = modules.count { ($0.dampingEscalations ?? 0) > 0 }
    if let fallbacks = counts["rtn-fallbacks"], fallbacks > 0 {
      remarks.append(
        "\(fallbacks) of \(modules.count) modules were rounded to nearest instead of solved by GPTQ."
      )
    }
    addLearning(modules)
    let inPlace = Set(modules.filter { $0.neuronOrder == .place }.compactMap(\.unit)).count
    if inPlace > 0 {
      remarks.append(
        "Neurons of \(inPlace) experts of several bit-widths keep their places: no calibration token "
          + "ranks them.")
    }
    let fresh = modules.count { $0.groupScales == .fresh }
    if fresh > 0 {
      remarks.append(
        "\(fresh) modules grouped by input channel have fresh scales, not those asked for.")
    }
    let covered = experts.compactMap(\.calibrationTokens)
    if let fewest = covered.min() { facts["fewest-expert-tokens"] = JSONValue(fewest) }
  }

  /// What was learned, and where nothing was.
  private mutating func addLearning(_ modules: [ModuleReport]) {
    guard modules.contains(where: { $0.training != nil }) else { return }
    let kept = modules.count { $0.training?.kept != nil }
    let worse = modules.count { $0.training?.kept == .worse }
    counts["omniquant-kept-start"] = kept
    counts["omniquant-without-steps"] = modules.withoutSteps
    remarks += modules.notFiniteNotices
    if worse > 0 {
      remarks.append(
        "\(worse) of \(modules.count) modules keep the clipping of OmniQuant's start: what their layers "
          + "learned was no better.")
    }
    if modules.withoutSteps > 0 {
      remarks.append(
        "\(modules.withoutSteps) modules learned nothing: no token came to them in any step.")
    }
    if !modules.learned { remarks.append("OmniQuant learned nothing: it had no epoch.") }
  }

  /// Ledgers of a checkpoint that stores every weight at 16 or 32 bits.
  private static func ledgers(of checkpoint: Checkpoint) throws -> [String: Double] {
    let configuration = checkpoint.configuration
    let modules = try (0..<configuration.layerCount).flatMap { layer in
      try configuration.linearModules(layer: layer).map { module in
        QuantizedModule(
          name: module.tensor, part: module.unit == nil ? .attention : .expert,
          weights: module.weights,
          codeBits: Double(try checkpoint.info(module.tensor).byteCount * 8), metadataBits: 0)
      }
    }
    let bytes = try checkpoint.files.filter { $0.hasSuffix(".safetensors") }.reduce(0) {
      $0
        + (try checkpoint.directory.appending(path: $1)
          .resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0)
    }
    return Ledger.values(of: modules, fileBytes: bytes)
  }

  private static func read<Value: Decodable>(
    _ type: Value.Type, _ file: String, of stage: String, _ artifacts: [String: URL]
  ) throws -> Value {
    guard let folder = artifacts[stage] else {
      preconditionFailure("the point has no stage '\(stage)'")
    }
    let url = folder.appending(path: file)
    do { return try JSONDecoder().decode(type, from: try Data(contentsOf: url)) } catch {
      throw OutcomeError.unreadable(path: url.path, reason: "\(error)")
    }
  }
}

extension QuantizedModule {
  init(_ report: ModuleReport) {
    self.init(
      name: report.module, part: report.unit == nil ? .attention : .expert,
      weights: report.weights, codeBits: Double(report.codeBits),
      metadataBits: Double(report.metadataBits),
      groupSize: report.scaleGroup, exl2Bits: report.exl2Bits)
  }
}

extension ModuleReport {
  /// Weights that share a scale; nil for codebooks and beside a sparse part, which conventions that
  /// count scales per group cannot tell.
  fileprivate var scaleGroup: Int? {
    guard outliers == nil, form != .codebooks else { return nil }
    return groupSize ?? (form == nil ? inputFeatures : weights / max(inputFeatures, 1))
  }

  /// In EXL2's layout, whose bit-widths are strips along the input; nil for an expert of several,
  /// whose gate and up have them along the output.
  fileprivate var exl2Bits: Double? {
    guard slices == nil, form == nil, outliers == nil, inputFeatures > 0 else { return nil }
    let size = try? EXL2Size(
      inputs: inputFeatures, outputs: weights / inputFeatures,
      strips: [EXL2Strip(share: 1, bits: Int(bits), groupSize: groupSize ?? inputFeatures)])
    return size.map { Double($0.bits) }
  }
}

/// Why a finished artifact gives no result.
enum OutcomeError: Error, CustomStringConvertible {
  case unreadable(path: String, reason: String)

  var description: String {
    switch self {
    case .unreadable(let path, let reason):
      "\(path): cannot be read (\(reason)). Delete its folder and run again."
    }
  }
}
