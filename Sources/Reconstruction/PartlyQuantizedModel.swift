public import Checkpoints
public import MoEModels
public import Tensors

/// A full-precision model of which some modules, or some neurons of them, are those of a quantized
/// one.
///
/// Neurons are rows of gate and up, columns of down. Taking some columns of a down that GPTQ solved
/// leaves out what it added to the other columns to make up for them.
public struct PartlyQuantizedModel: WeightSource {
  /// Of a module, what is quantized.
  public enum Part: Sendable, Equatable {
    case whole
    /// Rows, rising.
    case rows([Int])
    /// Columns, rising.
    case columns([Int])
  }

  private let full: any WeightSource
  private let quantized: any WeightSource
  private let parts: [String: Part]

  public var configuration: ModelConfiguration { full.configuration }

  /// - Parameters:
  ///   - full: Everything that `parts` do not name.
  ///   - quantized: The same model quantized.
  ///   - parts: Weight tensor → what of it is quantized.
  public init(_ full: any WeightSource, quantized: any WeightSource, parts: [String: Part]) {
    (self.full, self.quantized, self.parts) = (full, quantized, parts)
  }

  public func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
    guard let part = parts[name] else {
      return try full.matrix(name, rows: rows, columns: columns)
    }
    let rounded = try quantized.matrix(name, rows: rows, columns: columns)
    if case .whole = part { return rounded }
    var mixed = try full.matrix(name, rows: rows, columns: columns)
    switch part {
    case .whole: break
    case .rows(let chosen):
      for row in chosen { for column in 0..<columns { mixed[row, column] = rounded[row, column] } }
    case .columns(let chosen):
      for row in 0..<rows { for column in chosen { mixed[row, column] = rounded[row, column] } }
    }
    return mixed
  }

  public func vector(_ name: String, count: Int) throws -> [Float] {
    try full.vector(name, count: count)
  }

  public func releasePages(of name: String) {
    full.releasePages(of: name)
    if parts[name] != nil { quantized.releasePages(of: name) }
  }
}
