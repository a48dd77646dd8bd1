import Calibration
import Checkpoints
import Foundation
import JSON
import MoEModels
import Tensors

/// model + corpus → expert statistics and Hessians, one HDF5 file a layer.
public struct CalibrateStage: Sendable {
  public static let name = "calibrate"
  static let epoch = 2

  /// A text and its share of the sequences.
  public struct Corpus: Sendable {
    public var url: URL
    public var weight: Double

    public init(url: URL, weight: Double = 1) {
      (self.url, self.weight) = (url, weight)
    }
  }

  public var model: URL
  public var corpora: [Corpus]
  public var format: TextFormat
  public var sequences: Int
  public var context: Int
  public var sampling: CalibrationSample.Sampling
  public var options: CalibrationOptions
  public var precision: Precision
  public var seed: UInt64

  public init(
    model: URL, corpora: [Corpus], format: TextFormat, sequences: Int, context: Int,
    sampling: CalibrationSample.Sampling = .windows,
    options: CalibrationOptions = CalibrationOptions(), precision: Precision, seed: UInt64
  ) {
    self.model = model
    self.corpora = corpora
    self.format = format
    self.sequences = sequences
    self.context = context
    self.sampling = sampling
    self.options = options
    self.precision = precision
    self.seed = seed
  }

  func stage() throws -> Stage {
    let inputs = textInputs.merging(["model": try .model(model)]) { $1 }
    return Stage(
      name: Self.name, epoch: Self.epoch, parameters: .object(parameters), inputs: inputs,
      expectedBytes: try expectedBytes()
    ) { context in try write(to: context) }
  }

  /// What decides the statistics, as it enters the key of a stage.
  var parameters: JSONObject {
    var parameters = JSONObject([
      ("compute", JSONValue(precision.rawValue)), ("format", JSONValue(format.rawValue)),
      ("sequences", JSONValue(sequences)), ("context", JSONValue(context)),
      ("hessianStream", "full-precision"), ("seed", JSONValue(Int(seed))),
    ])
    switch options.storage {
    case .full: parameters["hessian"] = "full"
    case .diagonal: parameters["hessian"] = "diagonal"
    case .blockDiagonal(let size):
      parameters["hessian"] = "block-diagonal"
      parameters["hessianBlock"] = JSONValue(size)
    }
    switch options.tokens {
    case .routed: parameters["tokens"] = "routed-only"
    case .all: parameters["tokens"] = "all"
    case .mixture(let share):
      parameters["tokens"] = "mixture"
      parameters["mixture"] = JSONValue(share)
    }
    if options.routingWeighted { parameters["routingWeighted"] = true }
    if sampling != .windows { parameters["sampling"] = JSONValue(sampling.rawValue) }
    if corpora.count > 1 {
      parameters["weights"] = .array(corpora.map { JSONValue($0.weight) })
    }
    return parameters
  }

  /// Bytes of the packed triangles of all layers; the other arrays are small beside them.
  private func expectedBytes() throws -> Int {
    let c = try ModelFolder(model).configuration
    let widths = (0..<c.layerCount).flatMap { c.inputSites(layer: $0).map(\.width) }
    let sums = options.routingWeighted ? 2 : 1
    return widths.reduce(0) { sum, width in
      sum + 4 * sums * options.storage.elementCount(order: width) + 12 * width
    }
  }

  /// The windows, and how many tokens the texts have in all; of documents not all are counted.
  func sample(_ tokenizer: Tokenizer) throws -> (CalibrationSample, corpusTokens: Int?) {
    guard sampling != .documents else { return (try documentSample(tokenizer), nil) }
    let texts = try corpora.map { corpus in
      CalibrationSample.Text(
        path: corpus.url.path,
        tokens: tokenizer.encode(
          try TextCorpus(corpus.url, format: format).text, addSpecialTokens: true),
        weight: corpus.weight)
    }
    try checkCount(texts)
    let sample = try CalibrationSample(
      of: texts, count: sequences, context: context, sampling: sampling, seed: seed)
    return (sample, texts.reduce(0) { $0 + $1.tokens.count })
  }

  private func documentSample(_ tokenizer: Tokenizer) throws -> CalibrationSample {
    let texts = try corpora.map { corpus in
      let documents = try TextCorpus(corpus.url, format: format).documents
      return CalibrationSample.Documents(
        path: corpus.url.path, count: documents.count, weight: corpus.weight
      ) { tokenizer.encode(documents[$0], addSpecialTokens: true) }
    }
    return try CalibrationSample(
      ofDocuments: texts, count: sequences, context: context, seed: seed)
  }

  /// More windows than there are different ones would only repeat them.
  private func checkCount(_ texts: [CalibrationSample.Text]) throws(CalibrateStageError) {
    let windows = texts.reduce(0) { $0 + max($1.tokens.count - self.context + 1, 0) }
    // Without a single one, the sample says which text is too short.
    guard windows > 0, sequences > windows else { return }
    throw .tooManySequences(
      sequences, path: texts[0].path, windows: windows, context: self.context)
  }

  /// The texts as inputs of a stage.
  var textInputs: [String: StageSource] {
    Dictionary(
      uniqueKeysWithValues: corpora.enumerated().map { index, corpus in
        (corpora.count == 1 ? "corpus" : "corpus.\(index)", .file(corpus.url))
      })
  }

  /// Writes the layer files and `calibration.json` into the context's folder.
  public func write(to context: StageContext) throws {
    let folder = try ModelFolder(model)
    let (sample, corpusTokens) = try sample(folder.tokenizer())
    try CalibrationWriter.write(
      sample, through: folder.weights, precision: precision, options: options,
      model: try context.digests["model"] ?? FileDigests.model(model), to: context.directory
    ) { context.progress(Double($0) / Double($1), "layer \($0) of \($1)") }
    var record = JSONObject([
      ("sequences", JSONValue(sequences)), ("context", JSONValue(self.context)),
      ("tokens", JSONValue(sequences * self.context)),
    ])
    if let corpusTokens { record["corpusTokens"] = JSONValue(corpusTokens) }
    try context.write(.object(record), to: StageFile.calibration)
    try context.recordForwardTokens(sequences * self.context)
  }
}

/// Why a calibration cannot be made of the texts at hand.
public enum CalibrateStageError: Error, Equatable, CustomStringConvertible {
  case tooManySequences(Int, path: String, windows: Int, context: Int)

  public var description: String {
    switch self {
    case .tooManySequences(let sequences, let path, let windows, let context):
      "\(path): \(sequences) sequences are asked for, and there are \(windows) different windows of "
        + "\(context) tokens; use fewer sequences, a longer text or a shorter context."
    }
  }
}

extension StageSource {
  /// A model folder, known by the content of its configuration, weights and tokenizer.
  static func model(_ url: URL) throws -> StageSource {
    let files =
      QuantizedCheckpoint.isQuantized(url)
      ? ["config.json", QuantizedCheckpoint.fileName] : try Checkpoint(url).files
    return .folder(url, files: files + ["tokenizer.json"])
  }
}
