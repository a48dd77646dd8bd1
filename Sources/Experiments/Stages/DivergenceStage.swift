public import Evaluation
public import Foundation
import HDF5
import JSON
import MoEModels
public import Tensors

/// weights + stored predictions → divergence from full precision and drift of routes, with items.
public struct DivergenceStage: Sendable {
  public static let name = "divergence"
  static let epoch = 1

  public var corpora: [EvaluateStage.Corpus]
  public var precision: Precision
  /// What products with packed weights take their inputs for; full precision is always exact.
  public var activations = Activations.exact

  private var compute: ComputeMode { ComputeMode(precision, activations) }

  public init(corpora: [EvaluateStage.Corpus], precision: Precision) {
    (self.corpora, self.precision) = (corpora, precision)
  }

  /// The stage of a pipeline; `weights` is the full-precision folder, or the `quantize` stage.
  func stage(weights: StageSource) -> Stage {
    var inputs = ["weights": weights, "reference": .stage(ReferenceStage.name)]
    for corpus in corpora { inputs["corpus.\(corpus.name)"] = .file(corpus.url) }
    return Stage(
      name: Self.name, epoch: Self.epoch,
      parameters: [
        "compute": JSONValue(compute.rawValue),
        "texts": .object(JSONObject(corpora.map { ($0.name, $0.parameters) })),
      ], inputs: inputs
    ) { context in
      _ = try write(
        weights: context.input("weights"), reference: context.input("reference"), to: context)
    }
  }

  /// Writes `metrics.json` and `items.h5` into the context's folder.
  ///
  /// - Parameters:
  ///   - weights: Model folder.
  ///   - reference: Folder of the ``ReferenceStage``.
  ///   - context: Where to write.
  /// - Returns: All texts together.
  /// - Throws: ``DivergenceError``, and what the model throws.
  public func write(
    weights: URL, reference: URL, to context: StageContext
  ) throws -> MeasuredDivergence {
    let folder = try ModelFolder(weights).executed(as: compute)
    let tokenizer = try folder.tokenizer()
    let predictions = try PredictionFile(reference.appending(path: StageFile.predictions))
    let items = try HDF5Writer(context.directory.appending(path: StageFile.items))
    var (metrics, forwardTokens) = (DivergenceMetrics(suffix: ""), 0)
    for (index, corpus) in corpora.enumerated() {
      let text = try corpus.windows(folder, tokenizer)
      let measured = try predictions.divergence(
        of: folder.weights, on: text.windows, as: corpus.name, precision: precision
      ) {
        context.progress(
          (Double(index) + $0) / Double(corpora.count), "divergence on \(corpus.name)")
      }
      let definition = try corpus.definition(
        text.scoring, tokenizer: Digest.of(file: weights.appending(path: "tokenizer.json")),
        compute: compute)
      metrics.add(
        measured, scope: corpus.name,
        .object(definition.divergence(of: predictions.model, topK: predictions.topK)))
      try measured.write(to: items, text.windows.items, corpus: corpus.name)
      forwardTokens += text.windows.forwardTokens
    }
    try items.finish()
    try context.write(try JSONValue(encoding: metrics.all), to: StageFile.metrics)
    try context.recordForwardTokens(forwardTokens)
    return metrics.pooled
  }
}

extension MeasuredDivergence {
  /// Stores windows, tokens and layers, see ``ItemStore``.
  fileprivate func write(
    to file: HDF5Writer, _ windows: ScopeItems, corpus: String
  ) throws(HDF5Error) {
    let scope = "divergence/\(corpus)"
    try file.write(windows, to: scope)
    try file.write(windowTokens.map { Int64($0) }, to: "\(scope)/window_tokens")
    try file.write(windowMeans, to: "\(scope)/window_kl")
    try file.write(tokens.divergence, to: "\(scope)/token_kl")
    try file.write(tokens.agrees.map { $0 ? 1 : 0 } as [UInt8], to: "\(scope)/token_top1")
    try file.write(tokens.probabilityChange, to: "\(scope)/token_delta_p")
    try file.write(tokens.losses, to: "\(scope)/token_nll")
    guard let drift else { return }
    try file.write(drift.firstChange, to: "\(scope)/token_first_change")
    try file.write(drift.layers.map { Int64($0.layer) }, to: "\(scope)/layer_index")
    try file.write(drift.layers.map(\.change), to: "\(scope)/layer_router_change")
    try file.write(drift.layers.map(\.loadShift), to: "\(scope)/layer_load_shift")
    try file.write(drift.layers.map(\.divergence), to: "\(scope)/layer_router_kl")
  }
}
