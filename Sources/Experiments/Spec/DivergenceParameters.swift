public import Checkpoints
public import Evaluation
import Foundation
import MoEModels
import Tensors

/// `evaluation.divergence`: what is compared with the full-precision model token by token.
public struct DivergenceParameters: Codable, Sendable, Equatable {
  /// Text name → file, relative to the spec.
  public let corpora: [String: String]
  public let format: TextFormat
  /// Tokens in a window.
  public let context: Int
  public let `protocol`: PerplexityConvention
  /// Log-probabilities kept at every token; the whole vocabulary if it is smaller.
  public let topK: Int
  public let noise: NoiseSource
  public let routes: Bool
}

extension ParameterGroup {
  static let divergence = ParameterGroup([
    ParameterField("corpora", .namedPaths, .required, "Text name → text file."),
    ParameterField(
      "format", .choice(["text", "wikitext"]), .defaulting("text"), "How the files are read."),
    ParameterField("context", .integer(2...1_048_576), .defaulting(256), "Tokens in a window."),
    ParameterField(
      "protocol", .choice(PerplexityConvention.allCases.map(\.rawValue)), .defaulting("gptq"),
      "Which tokens are compared, and what they see."),
    ParameterField(
      "topK", .integer(1...1_048_576), .defaulting(512),
      "Log-probabilities of the full-precision model kept at every token; the others are pooled."),
    ParameterField(
      "noise", .choice(NoiseSource.allCases.map(\.rawValue)), .defaulting("batch"),
      "What the noise floor is measured with: other batches, the other arithmetic (f32, bf16), none."
    ),
    ParameterField(
      "routes", .flag, .defaulting(true), "Whether routers are compared too."),
  ])
}

extension PointParameters {
  /// The stages that measure divergence: predictions first.
  func divergenceStages(
    precision: Precision
  ) -> (reference: ReferenceStage, divergence: DivergenceStage)? {
    guard let divergence = evaluation.divergence, !divergence.corpora.isEmpty else { return nil }
    let corpora = divergence.corpora.sorted { $0.key < $1.key }.map { name, path in
      EvaluateStage.Corpus(
        name: name, url: url(path), format: divergence.format, context: divergence.context,
        convention: divergence.protocol)
    }
    let options = PredictionFile.Options(
      topK: divergence.topK, precision: precision, noise: divergence.noise,
      routes: divergence.routes)
    var stage = DivergenceStage(corpora: corpora, precision: precision)
    stage.activations = activations
    return (ReferenceStage(model: url(model.path), corpora: corpora, options: options), stage)
  }
}
