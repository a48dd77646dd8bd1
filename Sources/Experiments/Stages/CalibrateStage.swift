import Calibration
import Checkpoints
import Foundation
import JSON
import MoEModels
import Tensors

/// model + corpus → expert statistics and Hessians, one HDF5 file a layer.
public struct CalibrateStage: Sendable {
  public static let name = "calibrate"
  static let epoch = 1

  public var model: URL
  public var corpus: URL
  public var format: TextFormat
  public var sequences: Int
  public var context: Int
  public var precision: Precision
  public var seed: UInt64

  public init(
    model: URL, corpus: URL, format: TextFormat, sequences: Int, context: Int,
    precision: Precision, seed: UInt64
  ) {
    self.model = model
    self.corpus = corpus
    self.format = format
    self.sequences = sequences
    self.context = context
    self.precision = precision
    self.seed = seed
  }

  func stage() throws -> Stage {
    Stage(
      name: Self.name, epoch: Self.epoch,
      parameters: [
        "compute": JSONValue(precision.rawValue), "format": JSONValue(format.rawValue),
        "sequences": JSONValue(sequences), "context": JSONValue(context),
        "hessian": "full", "hessianStream": "full-precision", "tokens": "routed-only",
        "seed": JSONValue(Int(seed)),
      ],
      inputs: ["model": try .model(model), "corpus": .file(corpus)],
      expectedBytes: try expectedBytes()
    ) { context in try write(to: context) }
  }

  /// Bytes of the packed triangles of all layers; the other arrays are small beside them.
  private func expectedBytes() throws -> Int {
    let c = try ModelFolder(model).configuration
    let widths = (0..<c.layerCount).flatMap { c.inputSites(layer: $0).map(\.width) }
    return widths.reduce(0) { sum, width in sum + 2 * width * (width + 1) + 12 * width }
  }

  /// Writes the layer files and `calibration.json` into the context's folder.
  public func write(to context: StageContext) throws {
    let folder = try ModelFolder(model)
    let corpusText = try TextCorpus(corpus, format: format)
    let tokens = try folder.tokenizer().encode(corpusText.text, addSpecialTokens: true)
    let sample = try CalibrationSample(
      text: (corpus.path, tokens), count: sequences, context: self.context, seed: seed)
    try CalibrationWriter.write(
      sample, through: folder.weights, precision: precision, to: context.directory
    ) { context.progress(Double($0) / Double($1), "layer \($0) of \($1)") }
    try context.write(
      [
        "corpusTokens": JSONValue(tokens.count), "sequences": JSONValue(sequences),
        "context": JSONValue(self.context),
        "tokens": JSONValue(sequences * self.context),
      ], to: StageFile.calibration)
    try context.recordForwardTokens(sequences * self.context)
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
