public import Quantization

/// Why a module cannot be quantized.
public struct ModuleError: Error, Equatable, CustomStringConvertible {
  /// Its tensor.
  public let module: String
  public let cause: QuantizationError

  public var description: String { "\(module): \(cause)" }

  var isScaleOverflow: Bool {
    if case .scaleOverflow = cause { true } else { false }
  }

  /// Errors of the body with the module's name.
  ///
  /// - Parameters:
  ///   - module: Its tensor.
  ///   - body: Quantizes it.
  /// - Returns: What the body returns.
  /// - Throws: ``ModuleError`` for ``QuantizationError``, and whatever else the body throws.
  static func naming<Value>(_ module: String, _ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let cause as QuantizationError {
      throw ModuleError(module: module, cause: cause)
    }
  }
}
