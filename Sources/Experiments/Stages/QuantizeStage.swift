import BitAllocation
import Calibration
import Checkpoints
import Foundation
import JSON
import MoEModels
import Quantization
import Reconstruction
import Tensors

/// plan + base quantizer → packed checkpoint and a report for every module.
public struct QuantizeStage: Sendable {
  public static let name = "quantize"
  static let epoch = 3

  public var model: URL
  public var method: QuantizationMethod
  public var attentionBits: Int
  /// If given, Hessians are taken of the quantized stream of this calibration's sample.
  public var stream: CalibrateStage?
  /// If given, axes are judged on the windows of this calibration.
  public var axisSample: CalibrateStage?
  /// Folder of gradients, for methods that read the Fisher diagonal.
  public var gradients: URL?
  /// Whether plans have half levels, mixes or slices, whose neurons calibration ranks.
  public var ranksNeurons: Bool

  public init(
    model: URL, method: QuantizationMethod, attentionBits: Int, stream: CalibrateStage? = nil,
    ranksNeurons: Bool = false
  ) {
    self.stream = stream
    self.ranksNeurons = ranksNeurons
    self.model = model
    self.method = method
    self.attentionBits = attentionBits
  }

  func stage() throws -> Stage {
    var parameters = JSONObject([("attentionBits", JSONValue(attentionBits))])
    if method.readsGrids || ranksNeurons { parameters.insert(method.grids) }
    parameters.insert(forms: method)
    var inputs: [String: StageSource] = [
      "model": try .model(model), "plan": .stage(AllocateStage.name),
    ]
    switch method.solver {
    case .roundToNearest:
      parameters["method"] = "rtn"
    case .codebooks:
      parameters["method"] = "squeezellm"
    case .omniQuant(let options):
      parameters["method"] = "omniquant"
      parameters["omniquant"] = options.json
    case .gptq(let options, let minimumTokens, let routingWeighted):
      parameters["method"] = "gptq"
      parameters["damping"] = JSONValue(options.relativeDamping)
      parameters["columns"] = JSONValue(options.columns.rawValue)
      parameters["groupScales"] = JSONValue(options.scales.rawValue)
      if options.scales == .stale { parameters["blockSize"] = JSONValue(options.blockSize) }
      parameters["minimumTokens"] = JSONValue(minimumTokens)
      if routingWeighted { parameters["routingWeighted"] = true }
    }
    if method.readsCalibration || method.learns, let stream {
      if !method.learns { parameters["hessianStream"] = "quantized" }
      parameters["calibration"] = .object(stream.parameters)
      inputs.merge(stream.textInputs) { $1 }
      if method.learns, ranksNeurons { inputs["calibration"] = .stage(CalibrateStage.name) }
    } else if method.readsCalibration || ranksNeurons {
      inputs["calibration"] = .stage(CalibrateStage.name)
    }
    if method.judgesBlocks, let axisSample {
      parameters["axisSample"] = .object(axisSample.parameters)
      inputs.merge(axisSample.textInputs) { $1 }
    }
    if method.readsFisher { inputs["gradients"] = .stage(GradientStage.name) }
    return Stage(
      name: Self.name, epoch: Self.epoch, parameters: .object(parameters), inputs: inputs
    ) { context in
      var stage = self
      stage.gradients = context.inputs["gradients"]
      try stage.write(
        plan: context.input("plan").appending(path: StageFile.plan),
        calibration: context.inputs["calibration"], to: context)
    }
  }

  /// Writes the packed checkpoint and `modules.json` into the context's folder.
  ///
  /// - Parameters:
  ///   - url: The plan: JSON with `{unit: bits}`, also nested under `plan`.
  ///   - calibration: Folder of layer files, if the method reads one.
  ///   - context: Gets the files.
  /// - Returns: What was done to each module, as in `modules.json`.
  /// - Throws: ``QuantizeStageError``, ``TableError``, and what reading the model throws.
  @discardableResult
  public func write(
    plan url: URL, calibration: URL?, to context: StageContext
  ) throws -> [ModuleReport] {
    let checkpoint = try Checkpoint(model)
    let plan = try ModulePlan(url, for: checkpoint.configuration)
    let ranks = calibration != nil || stream != nil && !method.learns
    guard !plan.hasSlices || ranks else {
      throw QuantizeStageError.unusablePlan(
        path: url.path,
        reason: "it names slices of ranked neurons; give the calibration that ranked them.")
    }
    return try write(checkpoint, calibration: calibration, to: context) { [attentionBits] module in
      try plan.level(of: module) ?? .bits(attentionBits)
    }
  }

  /// Whether a plan gives neurons of an expert different bits.
  ///
  /// - Parameter url: The plan.
  /// - Returns: True for half levels, mixes and slices.
  /// - Throws: ``QuantizeStageError``, ``TableError``, and what reading the model throws.
  public func splitsExperts(plan url: URL) throws -> Bool {
    let configuration = try Checkpoint(model).configuration
    let plan = try ModulePlan(url, for: configuration)
    return try (0..<configuration.layerCount).contains { layer in
      try configuration.linearModules(layer: layer).contains { module in
        if case .slices? = try plan.level(of: module) { true } else { false }
      }
    }
  }

  /// The same with every MLP at one level.
  func write(
    level: LevelMix, blockSize: Int, calibration: URL?, to context: StageContext
  ) throws {
    let checkpoint = try Checkpoint(model)
    let units = Set(
      (0..<checkpoint.configuration.layerCount).flatMap { layer in
        checkpoint.configuration.linearModules(layer: layer).compactMap(\.unit)
      })
    let plan = try ModulePlan(
      Plan(entries: units.sorted().map { Plan.Entry(unit: $0, bits: level.bits) }),
      blocks: NeuronBlocks(size: blockSize, levels: [level]))
    _ = try write(checkpoint, calibration: calibration, to: context) { [attentionBits] module in
      try plan.level(of: module) ?? .bits(attentionBits)
    }
  }

  private func write(
    _ checkpoint: Checkpoint, calibration: URL?, to context: StageContext,
    level: @escaping @Sendable (LinearModule) throws -> ModuleLevel
  ) throws -> [ModuleReport] {
    // It is copied: one of another model would be found out only when the copy is evaluated.
    if FileManager.default.fileExists(atPath: model.appending(path: "tokenizer.json").path) {
      _ = try ModelFolder(model).tokenizer()
    }
    let quantizedStream = try stream.map { stream in
      QuantizedStream(
        sample: try stream.sample(ModelFolder(model).tokenizer()).0, options: stream.options,
        precision: stream.precision)
    }
    let reports = try ModelQuantizer(
      checkpoint, method: method, calibration: calibration, stream: quantizedStream,
      fisher: fisher, recovery: context.recovery,
      axisSample: try axisSample?.sample(ModelFolder(model).tokenizer()).0, level: level
    ).write(to: context.directory) {
      context.progress(Double($0) / Double($1), "layer \($0) of \($1)")
    }
    if let stream {
      try context.recordForwardTokens(method.passes * stream.sequences * stream.context)
    }
    reports.notFiniteNotices.forEach(context.notice)
    try context.write(
      try JSONValue(encoding: reports), to: StageFile.modules)
    return reports
  }
}

extension QuantizeStage {
  /// The Fisher diagonal of a module; nil without gradients.
  private var fisher: (@Sendable (LinearModule) throws -> Matrix)? {
    guard let gradients else { return nil }
    let diagonal = FisherDiagonal(gradients)
    return { module in try diagonal.diagonal(of: module) }
  }

  /// What was done to each module of a folder that this stage wrote.
  ///
  /// - Throws: ``QuantizeStageError/unreadableModules(path:)``.
  public static func modules(in folder: URL) throws(QuantizeStageError) -> [ModuleReport] {
    let url = folder.appending(path: StageFile.modules)
    do {
      return try JSONDecoder().decode([ModuleReport].self, from: Data(contentsOf: url))
    } catch { throw .unreadableModules(path: url.path) }
  }
}

extension OmniQuantOptions {
  fileprivate var json: JSONValue {
    var object = JSONObject([
      ("epochs", JSONValue(epochs)), ("clippingRate", JSONValue(clippingRate)),
      ("scalingRate", JSONValue(scalingRate)), ("batch", JSONValue(batch)),
      ("augmented", JSONValue(augmented)), ("equivalent", JSONValue(equivalent)),
    ])
    // 1: scales of MLPs that no token came to went on moving.
    if equivalent { object["scalesRevision"] = 2 }
    return .object(object)
  }
}

extension QuantizationMethod {
  /// How often each token of the stream goes through a layer; a step of learning, which goes back
  /// too, counts as three.
  fileprivate var passes: Int {
    guard case .omniQuant(let options) = solver else { return 2 }
    return 4 + 3 * options.epochs + (options.augmented ? 1 : 0) + (options.equivalent ? 1 : 0)
  }

  /// Whether weights are rounded to affine grids.
  fileprivate var readsGrids: Bool {
    if case .codebooks = solver { return false }
    return true
  }
}

extension JSONObject {
  /// Grids as they enter a stage's key; what is as by default in older keys is left out.
  mutating func insert(_ grids: GridFamily) {
    self["groupSize"] = grids.groupSize.map { JSONValue($0) } ?? .null
    self["symmetric"] = JSONValue(grids.symmetric)
    if let search = grids.rangeSearch {
      self["range"] = [
        "norm": JSONValue(search.norm), "steps": JSONValue(search.steps),
        "maximalShrink": JSONValue(search.maximalShrink),
      ]
    }
    if grids.scaleRounding != .float16 {
      self["scaleRounding"] = JSONValue(grids.scaleRounding.rawValue)
    }
    if grids.symmetric, grids.symmetricRange != .mirrored {
      self["symmetricRange"] = JSONValue(grids.symmetricRange.rawValue)
    }
  }
}

/// Why a plan cannot be carried out.
public enum QuantizeStageError: Error, Equatable, CustomStringConvertible {
  case unreadablePlan(path: String)
  case unreadableModules(path: String)
  case unusablePlan(path: String, reason: String)

  public var description: String {
    switch self {
    case .unreadablePlan(let path):
      "\(path): cannot be read; give the JSON that `assay allocate --format json` prints."
    case .unreadableModules(let path):
      "\(path): cannot be read; give a folder that `assay quantize` wrote."
    case .unusablePlan(let path, let reason):
      "\(path): \(reason)"
    }
  }
}
