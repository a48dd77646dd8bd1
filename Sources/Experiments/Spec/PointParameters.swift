public import BitAllocation
import Calibration
import Checkpoints
import Evaluation
import Foundation
import JSON
public import Quantization
public import Reconstruction
import Tensors

/// Everything that decides what a point computes, checked and with its defaults filled in.
///
/// `calibration`, `allocation` and `budget` are there if and only if `quantizer` is: what a
/// full-precision point does not read must not enter its identity.
public struct PointParameters: Sendable, Equatable {
  public let model: ModelParameters
  public let compute: ComputeChoice
  public let calibration: CalibrationParameters?
  public let quantizer: QuantizerParameters?
  public let allocation: AllocationParameters?
  public let budget: BudgetParameters?
  public let evaluation: EvaluationParameters
  public let structure: StructureParameters?

  /// These parameters as JSON, complete and pruned: what identity is computed from.
  public let json: JSONValue
  /// The folder that paths are relative to; never part of the identity.
  public let folder: URL

  /// Checks merged JSON; pointers in errors are relative to it.
  public init(json: JSONValue, folder: URL) throws(SpecError) {
    let complete = try ParameterGroup.point.completed(json, at: JSONPointer())
    let pruned = try Self.pruned(complete)
    let fields = try Self.decode(pruned)
    self.model = fields.model
    self.compute = fields.compute
    self.calibration = fields.calibration
    self.quantizer = fields.quantizer
    self.allocation = fields.allocation
    self.budget = fields.budget
    self.evaluation = fields.evaluation
    self.structure = fields.structure
    self.json = pruned
    self.folder = folder
    try checkEvaluation()
    try checkQuantizer()
    try checkBudget()
    try checkAllocation()
    try checkStructure()
    try checkCalibrationTexts()
  }

  /// The file that a path of the spec names.
  public func url(_ path: String) -> URL {
    URL(filePath: path, relativeTo: folder.appending(path: "", directoryHint: .isDirectory))
      .absoluteURL.standardizedFileURL
  }
}

extension PointParameters {
  private struct Fields: Decodable {
    var model: ModelParameters
    var compute: ComputeChoice
    var calibration: CalibrationParameters?
    var quantizer: QuantizerParameters?
    var allocation: AllocationParameters?
    var budget: BudgetParameters?
    var evaluation: EvaluationParameters
    var structure: StructureParameters?
  }

  private static func decode(_ json: JSONValue) throws(SpecError) -> Fields {
    do { return try json.decoded(as: Fields.self) } catch {
      // The schema and the structs disagree: our mistake, but no reason to trap on a user's file.
      throw SpecError(.invalid("The parameters do not decode: \(error)"))
    }
  }

  /// Removes what is not read without a quantizer, and demands what is read with one.
  private static func pruned(_ json: JSONValue) throws(SpecError) -> JSONValue {
    guard var object = json.objectValue else { return json }
    if object["quantizer"]?.isNull ?? true {
      for key in ["calibration", "allocation", "budget", "structure"] { object[key] = nil }
    } else if object["calibration"] == nil {
      throw SpecError(
        .missingKey(
          "calibration", remedy: "a quantizer needs it: {\"corpus\": \"path/of/text.txt\"}."))
    }
    return .object(object)
  }

  private func checkEvaluation() throws(SpecError) {
    try checkProtocol()
    guard evaluation.tasks.isEmpty, evaluation.perplexity?.corpora.isEmpty ?? true,
      evaluation.divergence?.corpora.isEmpty ?? true, evaluation.speed == nil
    else { return }
    throw SpecError(
      .invalid(
        "Nothing is measured; name a corpus under perplexity.corpora or divergence.corpora, a task "
          + "under tasks, or ask for speed."),
      at: JSONPointer(["evaluation"]))
  }

  private func checkAllocation() throws(SpecError) {
    guard let allocation else { return }
    let pointer = JSONPointer(["allocation"])
    let searches = SearchOptions.searches
    if allocation.fitness == .measured {
      guard searches.contains(allocation.allocator), allocation.allocator != "relaxed-gradient"
      else {
        throw SpecError(
          .invalid(
            "Only searches measure plans: "
              + searches.filter { $0 != "relaxed-gradient" }.joined(separator: ", ") + "."),
          at: pointer.appending("fitness"))
      }
      guard allocation.fitnessText != nil else {
        throw SpecError(
          .missingKey(
            "fitnessText", remedy: "a measured fitness needs it: {\"corpus\": \"search.txt\"}."),
          at: pointer)
      }
    }
    try check(neurons: allocation, at: pointer)
    try allocation.checkGradients(at: pointer)
    if let floor = allocation.floor, let ceiling = allocation.ceiling, floor > ceiling {
      throw SpecError(
        .invalid("The floor is above the ceiling."), at: pointer.appending("floor"))
    }
  }

  /// What tables of neurons, and levels of several bits, do not have.
  private func check(
    neurons allocation: AllocationParameters, at pointer: JSONPointer
  ) throws(SpecError) {
    func refuse(_ key: String, _ why: String) throws(SpecError) {
      throw SpecError(.invalid(why), at: pointer.appending(key))
    }
    let mixed = allocation.levels.levels.contains { $0.parts.count > 1 }
    if allocation.granularity == "projection", mixed {
      try refuse(
        "levels", "Half levels and mixes are of whole experts; use granularity expert or layer.")
    }
    if allocation.sensitivity == "expert-output", allocation.granularity == "layer" {
      try refuse("sensitivity", "expert-output is of experts and projections, not of whole layers.")
    }
    guard allocation.granularity == "neuron" else { return }
    if mixed { try refuse("levels", "Neurons have whole bits; half levels are made of neurons.") }
    if allocation.sensitivity != nil || allocation.error == .gptq
      || allocation.scale != "relative" || allocation.factors.frequency != 0
      || allocation.factors.routingWeight != 0
    {
      try refuse(
        "granularity",
        "Tables of neurons hold the second-order loss of rounding to nearest on the relative scale; "
          + "leave sensitivity, error, scale and factors out.")
    }
    let allocators = Allocators.names.filter(Self.allocatesNeurons)
    if !allocators.contains(allocation.allocator) {
      try refuse(
        "allocator",
        "Tables of neurons have no such scores; use \(allocators.joined(separator: ", ")).")
    }
    if quantizer != nil, budget?.total?.ledger == "with-metadata" {
      throw SpecError(
        .invalid("Tables of neurons do not know the bits of scales; bound code bits."),
        at: JSONPointer(["budget", "total", "ledger"]))
    }
  }

  /// Whether an allocator reads nothing but losses and bits.
  private static func allocatesNeurons(_ name: String) -> Bool {
    ["uniform", "random", "first-layers", "last-layers", "greedy", "exact"].contains(name)
      || SearchOptions.searches.contains(name)
  }

  private func checkProtocol() throws(SpecError) {
    if let divergence = evaluation.divergence {
      do throws(PerplexityProtocolError) {
        try divergence.protocol.check(context: divergence.context, stride: nil)
      } catch {
        throw SpecError(
          .invalid("\(error)"), at: JSONPointer(["evaluation", "divergence", "context"]))
      }
    }
    guard let perplexity = evaluation.perplexity else { return }
    do throws(PerplexityProtocolError) {
      try perplexity.protocol.check(context: perplexity.context, stride: perplexity.stride)
    } catch {
      let key = if case .scoresNothing = error { "context" } else { "stride" }
      throw SpecError(
        .invalid("\(error)"), at: JSONPointer(["evaluation", "perplexity", key]))
    }
  }

  private func checkBudget() throws(SpecError) {
    guard let budget else { return }
    _ = try budget.attentionBits()
    guard budget.total == nil, let lowest = allocation?.levels.levels.first?.bits,
      budget.experts < lowest
    else { return }
    throw SpecError(
      .outOfRange(
        found: CanonicalJSON.number(budget.experts),
        allowed: "\(CanonicalJSON.number(lowest)) or more, the lowest of allocation.levels"),
      at: JSONPointer(["budget", "experts"]))
  }
}

/// Arithmetic of the forward pass. `auto` is resolved by the pipeline before keys are formed; 8-bit
/// activations are of evaluation, everything before runs in f32.
public enum ComputeChoice: String, Codable, Sendable, CaseIterable {
  case auto, f32, bf16
  case int8Activations = "int8-activations"
}

public struct ModelParameters: Codable, Sendable, Equatable {
  /// Folder with config.json, tokenizer.json and safetensors, relative to the spec.
  public let path: String
}

public struct CalibrationParameters: Codable, Sendable, Equatable {
  /// Text files, relative to the spec.
  public let corpus: [WeightedCorpus]
  public let format: TextFormat
  public let sequences: Int
  /// Tokens in each sequence.
  public let context: Int
  public let sampling: CalibrationSample.Sampling
  public let tokens: CalibrationTokens
  /// Of ``CalibrationTokens/mixture``: share of the mean over all tokens.
  public let mixture: Double
  /// Whether sums weighted by the squared routing weight are kept too.
  public let routingWeighted: Bool
  public let hessian: HessianStorage
  /// Channels of a block of ``HessianStorage/blockDiagonal``.
  public let hessianBlock: Int
}

/// A calibration text and its share of the sequences.
public struct WeightedCorpus: Codable, Sendable, Equatable {
  public let path: String
  public let weight: Double

  public init(path: String, weight: Double = 1) {
    (self.path, self.weight) = (path, weight)
  }
}

/// Which tokens an expert's statistics are made of.
public enum CalibrationTokens: String, Codable, Sendable, CaseIterable {
  case routed = "routed-only"
  case all
  case mixture

  /// What calibration is told.
  ///
  /// - Parameter mixture: Share of the mean over all tokens.
  /// - Returns: The policy.
  public func policy(mixture: Double) -> CalibrationOptions.Tokens {
    switch self {
    case .routed: .routed
    case .all: .all
    case .mixture: .mixture(mixture)
    }
  }
}

/// Where the inputs behind Hessians come from.
public enum HessianStream: String, Codable, Sendable, CaseIterable {
  case fullPrecision = "full-precision"
  /// Layers quantized before, as in GPTQ's code.
  case quantized
}

/// What is kept of a Hessian.
public enum HessianStorage: String, Codable, Sendable, CaseIterable {
  case full, diagonal
  case blockDiagonal = "block-diagonal"

  /// What calibration is told.
  ///
  /// - Parameter block: Channels of a block.
  /// - Returns: The storage.
  public func storage(block: Int) -> MomentStorage {
    switch self {
    case .full: .full
    case .diagonal: .diagonal
    case .blockDiagonal: .blockDiagonal(blockSize: block)
    }
  }
}

public struct QuantizerParameters: Codable, Sendable, Equatable {
  public enum Method: String, Codable, Sendable, CaseIterable {
    case rtn, gptq, squeezellm, omniquant
  }

  public let method: Method
  public enum Range: String, Codable, Sendable, CaseIterable {
    case extremes, mse
  }

  public enum GroupScales: String, Codable, Sendable, CaseIterable {
    case fresh, stale
    case fixed = "static"
  }

  /// Weights that share one scale; nil: a whole row.
  public let groupSize: Int?
  public let symmetric: Bool
  /// Of a group's grid.
  public let range: Range
  public let symmetricRange: SymmetricRange
  public let scaleRounding: ScaleRounding
  /// Share of the Hessian's mean diagonal that is added to its diagonal.
  public let damping: Double
  /// Columns by falling diagonal of the Hessian.
  public let actOrder: Bool
  public let groupScales: GroupScales
  /// Columns after which all later ones are updated.
  public let blockSize: Int
  /// Modules with fewer calibration tokens are rounded to nearest.
  public let minimumTokens: Int
  /// Where the inputs behind the Hessians come from.
  public let hessianStream: HessianStream
  /// Whether Hessians of experts weigh tokens by their routing weight.
  public let routingWeighted: Bool
  /// nil: no sparse part.
  public var outliers: Outliers?
  /// nil: output channels.
  public var axis: AxisChoice?
  /// nil: the Fisher diagonal.
  public var importance: ImportanceSource?
  public var codebooks: Codebooks?
  /// nil: as published.
  public var omniquant: OmniQuant?
}

public struct AllocationParameters: Codable, Sendable, Equatable {
  public enum Law: String, Codable, Sendable, CaseIterable {
    case fill
    case twoLevel = "two-level"
  }

  public enum Fitness: String, Codable, Sendable, CaseIterable {
    case surrogate, measured
  }

  /// Whose error the base loss is made of.
  public enum WeightError: String, Codable, Sendable, CaseIterable {
    case rtn, gptq
  }

  public struct Factors: Codable, Sendable, Equatable {
    public let frequency: Double
    public let routingWeight: Double
  }

  /// At least `count` units at `bits` in each scope.
  public struct Requirement: Codable, Sendable, Equatable {
    public let bits: Double
    public let count: Int
  }

  /// The text of a measured fitness.
  public struct FitnessText: Codable, Sendable, Equatable {
    public let corpus: [String]
    public let format: TextFormat
    public let sequences: Int
    public let selectionSequences: Int
    public let context: Int
  }

  public let allocator: String
  public let granularity: String
  public let levels: LevelSet
  /// Neurons of a block.
  public let blockSize: Int
  /// nil: `two-level` for two levels, `fill` for more.
  public let law: Law?
  /// Losses of the table that are minimized; nil: its base loss, or the allocator's own.
  public let sensitivity: String?
  public let error: WeightError
  public let scale: String
  public let factors: Factors
  public let scope: String
  public let require: [Requirement]
  public let floor: Double?
  public let ceiling: Double?
  public let search: SearchOptions
  public let fitness: Fitness
  public let fitnessText: FitnessText?
  /// Texts whose losses, one calibration each, are summed; nil: those of the calibration.
  public let calibrationTexts: [String]?
}

/// What may be spent.
public struct BudgetParameters: Codable, Sendable, Equatable {
  public struct Total: Codable, Sendable, Equatable {
    public let ledger: String
    public let value: Double
  }

  /// Code bits of attention, which is quantized at one level.
  public let attention: Double
  /// Mean code bits per weight of experts.
  public let experts: Double
  /// A bound in another ledger, in the place of `experts`.
  public let total: Total?
}

public struct EvaluationParameters: Codable, Sendable, Equatable {
  public let perplexity: PerplexityParameters?
  public let tasks: [String: TaskParameters]
  public let divergence: DivergenceParameters?
  public let speed: SpeedParameters?
}

public struct PerplexityParameters: Codable, Sendable, Equatable {
  /// Corpus name → text file, relative to the spec.
  public let corpora: [String: String]
  public let format: TextFormat
  /// Tokens in a window.
  public let context: Int
  public let `protocol`: PerplexityConvention
  /// Of the strided protocol; nil: half the context.
  public let stride: Int?
}
