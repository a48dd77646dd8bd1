import Checkpoints
public import Tensors

/// Where a model's weights come from: a checkpoint, or a checkpoint with quantized modules over it.
///
/// Weights are read one layer at a time and may be forgotten after it.
public protocol WeightSource: Sendable {
  var configuration: ModelConfiguration { get }
  /// The tensor widened to f32; throws if it is missing, of another shape, or holds NaN.
  func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix
  func vector(_ name: String, count: Int) throws -> [Float]
  /// The stored form that products shall run from; nil: those of the tensor in f32 or bf16.
  func executedForm(of name: String) throws -> StoredMatrix?
  /// What products from stored forms take their inputs for.
  var activations: Activations { get }
  /// Says that the pages of this tensor are not needed soon.
  func releasePages(of name: String)
}

extension Checkpoint: WeightSource {}

/// A checkpoint with some matrices in place of its own.
public struct ReplacedWeights: WeightSource {
  public let checkpoint: Checkpoint
  /// By the name of the tensor.
  public let replaced: [String: Matrix]

  public init(_ checkpoint: Checkpoint, replaced: [String: Matrix]) {
    (self.checkpoint, self.replaced) = (checkpoint, replaced)
  }

  public var configuration: ModelConfiguration { checkpoint.configuration }

  public func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
    try replaced[name] ?? checkpoint.matrix(name, rows: rows, columns: columns)
  }

  public func vector(_ name: String, count: Int) throws -> [Float] {
    try checkpoint.vector(name, count: count)
  }

  public func releasePages(of name: String) { checkpoint.releasePages(of: name) }
}

extension WeightSource {
  public func executedForm(of name: String) throws -> StoredMatrix? { nil }
  public var activations: Activations { .exact }
}
