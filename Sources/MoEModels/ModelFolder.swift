import Checkpoints
import Foundation

extension QuantizedCheckpoint: WeightSource {}

/// A model folder on disk, full precision or packed, with its tokenizer.
public struct ModelFolder: Sendable {
  public let directory: URL
  public let weights: any WeightSource

  init(directory: URL, weights: any WeightSource) {
    (self.directory, self.weights) = (directory, weights)
  }

  /// - Throws: ``CheckpointError``, ``ConfigurationError``; ``ModelFolderError`` if the checkpoint
  ///   holds a tensor that the forward pass would skip.
  public init(_ directory: URL) throws {
    self.directory = directory
    guard !QuantizedCheckpoint.isQuantized(directory) else {
      weights = try QuantizedCheckpoint(directory)
      return
    }
    let checkpoint = try Checkpoint(directory)
    let configuration = checkpoint.configuration
    try CheckpointContents(checkpoint.tensorNames, configuration: configuration)
      .check(directory: directory.path, architecture: configuration.architecture.rawValue)
    weights = checkpoint
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
  case unaccountedTensors(directory: String, architecture: String, first: String, count: Int)

  public var description: String {
    switch self {
    case .vocabularyMismatch(let directory, let tokenizer, let model):
      "\(directory): tokenizer.json has \(tokenizer) tokens, config.json has vocab_size \(model). "
        + "Copy the tokenizer that belongs to this model."
    case .unaccountedTensors(let directory, let architecture, let first, let count):
      "\(directory): tensor \(first)\(count > 1 ? " and \(count - 1) more are" : " is") not part of "
        + "\(architecture) as config.json describes it, and the model would not be the one that was "
        + "trained. `assay inspect` lists all; correct config.json or remove them."
    }
  }
}
