public import Checkpoints
public import Tensors

/// A quantized folder whose products read its packed weights; nothing is dequantized beforehand.
///
/// Affine grids along the inputs have kernels, in one piece or in slices of neurons, with or without a
/// sparse part. Weights that keep their precision are multiplied in the precision of the pass, and so
/// are projections stacked with one of those.
public struct PackedExecution: WeightSource {
  public let checkpoint: QuantizedCheckpoint
  public let activations: Activations

  public init(_ checkpoint: QuantizedCheckpoint, activations: Activations = .exact) {
    (self.checkpoint, self.activations) = (checkpoint, activations)
  }

  /// - Throws: ``PackedExecutionError/fullPrecision(directory:)`` where nothing is quantized.
  public init(_ folder: ModelFolder, activations: Activations = .exact) throws {
    guard let checkpoint = folder.weights as? QuantizedCheckpoint else {
      throw PackedExecutionError.fullPrecision(directory: folder.directory.path)
    }
    self.init(checkpoint, activations: activations)
  }

  public var configuration: ModelConfiguration { checkpoint.configuration }

  public func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
    try checkpoint.matrix(name, rows: rows, columns: columns)
  }

  public func vector(_ name: String, count: Int) throws -> [Float] {
    try checkpoint.vector(name, count: count)
  }

  public func releasePages(of name: String) { checkpoint.releasePages(of: name) }

  /// - Throws: ``PackedExecutionError/noKernel(weight:form:)``, and what reading throws.
  public func executedForm(of name: String) throws -> StoredMatrix? {
    guard let stored = try checkpoint.stored(name) else { return nil }
    switch stored.dense {
    case .packed, .sliced: return stored
    case .codebooks, .slicedCodebooks:
      throw PackedExecutionError.noKernel(weight: name, form: "codebooks")
    case .inputGrouped:
      throw PackedExecutionError.noKernel(weight: name, form: "groups of outputs")
    case .withSparse: throw PackedExecutionError.noKernel(weight: name, form: "two sparse parts")
    }
  }
}

/// Why a model cannot run from packed weights.
public enum PackedExecutionError: Error, Equatable, CustomStringConvertible {
  case fullPrecision(directory: String)
  case noKernel(weight: String, form: String)

  public var description: String {
    switch self {
    case .fullPrecision(let directory):
      "\(directory) is not quantized, so there are no packed weights to run from. Quantize it, or "
        + "run it in f32 or bf16."
    case .noKernel(let weight, let form):
      "'\(weight)' is stored with \(form), for which there is no packed kernel. Run it "
        + "dequantized, in f32 or bf16."
    }
  }
}
