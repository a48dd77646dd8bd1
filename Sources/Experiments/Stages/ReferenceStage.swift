import Checkpoints
public import Evaluation
public import Foundation
import HDF5
import JSON
import MoEModels
import Tensors

/// full-precision model + texts → its predictions, which the `divergence` stages of a whole grid read,
/// and the noise floor of comparing with them.
public struct ReferenceStage: Sendable {
  public static let name = "reference-predictions"
  static let epoch = 1

  public var model: URL
  public var corpora: [EvaluateStage.Corpus]
  public var options: PredictionFile.Options

  public init(model: URL, corpora: [EvaluateStage.Corpus], options: PredictionFile.Options) {
    (self.model, self.corpora, self.options) = (model, corpora, options)
  }

  /// What decides the predictions, besides the model and the texts.
  var parameters: JSONValue {
    [
      "compute": JSONValue(options.precision.rawValue), "topK": JSONValue(options.topK),
      "noise": JSONValue(options.noise.rawValue), "routes": JSONValue(options.routes),
      "texts": .object(JSONObject(corpora.map { ($0.name, $0.parameters) })),
    ]
  }

  func stage() throws -> Stage {
    var inputs: [String: StageSource] = ["model": try .model(model)]
    for corpus in corpora { inputs["corpus.\(corpus.name)"] = .file(corpus.url) }
    return Stage(name: Self.name, epoch: Self.epoch, parameters: parameters, inputs: inputs) {
      try write(to: $0)
    }
  }

  /// Writes `reference.h5`, and the noise floor as `metrics.json`, into the context's folder.
  public func write(to context: StageContext) throws {
    let folder = try ModelFolder(model)
    let tokenizer = try folder.tokenizer()
    let file = try HDF5Writer(context.directory.appending(path: StageFile.predictions))
    let identity = try Self.identity(of: model)
    try PredictionFile.writeHeader(
      options, vocabulary: folder.configuration.vocabularySize, model: identity, to: file)
    var (metrics, forwardTokens) = (DivergenceMetrics(suffix: "-noise-floor"), 0)
    for (index, corpus) in corpora.enumerated() {
      let text = try corpus.windows(folder, tokenizer)
      let noise = try PredictionFile.write(
        text.windows, of: folder.weights, as: corpus.name, options: options, to: file
      ) {
        context.progress(
          (Double(index) + $0) / Double(corpora.count), "predictions on \(corpus.name)")
      }
      forwardTokens += text.windows.forwardTokens * (noise == nil ? 1 : 2)
      guard let noise else { continue }
      var definition = try corpus.definition(
        text.scoring, tokenizer: Digest.of(file: model.appending(path: "tokenizer.json")),
        compute: ComputeMode(options.precision)
      ).divergence(of: identity, topK: options.topK)
      definition["noise"] = JSONValue(options.noise.rawValue)
      metrics.add(noise, scope: corpus.name, .object(definition))
    }
    try file.finish()
    try context.write(try JSONValue(encoding: metrics.all), to: StageFile.metrics)
    try context.recordForwardTokens(forwardTokens)
  }

  /// SHA-256 over what a model is made of.
  ///
  /// - Throws: What reading its files throws.
  public static func identity(of model: URL) throws -> String {
    guard case .folder(_, let files) = try StageSource.model(model) else { return "" }
    let digests = try files.sorted().map {
      "\($0) \(try Digest.of(file: model.appending(path: $0)))\n"
    }
    return Digest.of(Data(digests.joined().utf8))
  }
}

extension EvaluateStage.Corpus {
  /// Reads the text and cuts it.
  func windows(
    _ folder: ModelFolder, _ tokenizer: Tokenizer
  ) throws -> (windows: ScoredWindows, scoring: PerplexityProtocol) {
    let scoring = try convention.scoring(
      context: context, stride: stride, for: folder.configuration, tokenizer)
    let documents = try PerplexityText.documents(
      url, format: format, scoring: scoring, tokenizer: tokenizer)
    return (try ScoredWindows(of: (url.path, documents), scoring: scoring), scoring)
  }
}

extension JSONValue {
  /// The definition of a perplexity becomes that of a divergence from a model.
  func divergence(of model: String, topK: Int) -> JSONObject {
    var object = objectValue ?? JSONObject()
    object["reference"] = JSONValue(model)
    object["topK"] = JSONValue(topK)
    object["tail"] = "pooled"
    return object
  }
}
