public import Tensors

/// Arithmetic of a forward pass, by the name under which its results are kept apart from others.
public enum ComputeMode: String, Codable, CaseIterable, Sendable {
  case f32, bf16
  /// Products with packed weights take inputs rounded to 8 bits, one scale for each token and
  /// product, and sum integers; everything else is f32.
  case int8Activations = "int8-activations"

  public init(_ precision: Precision, _ activations: Activations = .exact) {
    self = activations == .int8 ? .int8Activations : precision == .bf16 ? .bf16 : .f32
  }

  /// Of products that do not run from packed weights.
  public var precision: Precision { self == .bf16 ? .bf16 : .f32 }
  public var activations: Activations { self == .int8Activations ? .int8 : .exact }
}

extension ModelFolder {
  /// The same model in this arithmetic.
  ///
  /// - Throws: ``PackedExecutionError`` where 8-bit activations are asked for and nothing is packed.
  public func executed(as mode: ComputeMode) throws -> ModelFolder {
    guard mode.activations != .exact else { return self }
    return ModelFolder(
      directory: directory,
      weights: try PackedExecution(self, activations: mode.activations))
  }
}
