import Checkpoints
import Foundation

extension QuantizedCheckpoint: WeightSource {}

/// A model folder on disk, full precision or packed, with its tokenizer.
public struct ModelFolder: Sendable {
  public let directory: URL
  public let weights: any WeightSource

  /// - Throws: ``CheckpointError``, ``ConfigurationError``.
  public init(_ directory: URL) throws {
    self.directory = directory
    weights =
      QuantizedCheckpoint.isQuantized(directory)
      ? try QuantizedCheckpoint(directory) : try Checkpoint(directory)
  }

  public var configuration: ModelConfiguration { weights.configuration }

  /// Reads `tokenizer.json`.
  ///
  /// - Throws: ``TokenizerError``; ``ModelFolderError`` if it has more tokens than the model.
  public func tokenizer() throws -> Tokenizer {
    let tokenizer = try Tokenizer(directory.appending(path: "tokenizer.json"))
    guard tokenizer.vocabularySize <= configuration.vocabularySize else {
      throw ModelFolderError.vocabularyMismatch(
        directory: directory.path, tokenizer: tokenizer.vocabularySize,
        model: configuration.vocabularySize)
    }
    return tokenizer
  }
}

/// Why the parts of a model folder do not fit together.
public enum ModelFolderError: Error, Equatable, CustomStringConvertible {
  case vocabularyMismatch(directory: String, tokenizer: Int, model: Int)

  public var description: String {
    switch self {
    case .vocabularyMismatch(let directory, let tokenizer, let model):
      "\(directory): tokenizer.json has \(tokenizer) tokens, config.json has vocab_size \(model). "
        + "Copy the tokenizer that belongs to this model."
    }
  }
}
