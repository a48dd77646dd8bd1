/// Why a module of a model cannot be quantized.
public struct ModuleError: Error, Equatable, CustomStringConvertible {
  /// Its tensor; the expert, where it is about all of its matrices.
  public let module: String
  public let cause: QuantizationError

  public init(module: String, cause: QuantizationError) {
    (self.module, self.cause) = (module, cause)
  }

  public var description: String { "\(module): \(cause)" }

  /// Whether the weights are too large for a scale in binary16.
  public var isScaleOverflow: Bool {
    if case .scaleOverflow = cause { true } else { false }
  }

  /// Errors of the body with the module's name.
  ///
  /// - Parameters:
  ///   - module: Its tensor.
  ///   - body: Quantizes it.
  /// - Returns: What the body returns.
  /// - Throws: ``ModuleError`` for ``QuantizationError``, and whatever else the body throws.
  public static func naming<Value>(_ module: String, _ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let cause as QuantizationError {
      throw ModuleError(module: module, cause: cause)
    }
  }

  /// Errors of the body with the name of the matrix that they are about.
  ///
  /// - Parameters:
  ///   - expert: Name of all matrices together.
  ///   - matrices: Tensors of gate, up and down.
  ///   - body: Quantizes them.
  /// - Returns: What the body returns.
  /// - Throws: ``ModuleError`` for ``QuantizationError``, and whatever else the body throws.
  public static func naming<Value>(
    expert: String, matrices: [String], _ body: () throws -> Value
  ) throws -> Value {
    do { return try body() } catch QuantizationError.inMatrix(let index, let cause) {
      throw ModuleError(module: matrices[index], cause: cause)
    } catch let cause as QuantizationError {
      throw ModuleError(module: expert, cause: cause)
    }
  }
}
