/// A weight matrix in a stored form that says which weights it stands for and what it takes.
public protocol QuantizedMatrix: Sendable, Equatable {
  /// Outputs.
  var rows: Int { get }
  /// Inputs.
  var columns: Int { get }
  /// Bits of the codes alone, padding not counted.
  var codeBits: Int { get }
  /// Bits of everything else that is stored: scales, zero points, codebooks, indices, sparse values.
  var metadataBits: Int { get }
  /// The weights, shape `[rows, columns]`.
  func dequantized() -> Matrix
}

extension QuantizedMatrix {
  /// All stored bits for each weight.
  public var bitsPerWeight: Double {
    Double(codeBits + metadataBits) / Double(max(rows * columns, 1))
  }
}

extension PackedMatrix: QuantizedMatrix {}
