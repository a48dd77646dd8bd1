public import Checkpoints
public import Foundation
public import MoEModels
import Tensors

/// Every module at every level, quantized once: a packed checkpoint a level.
///
/// A candidate is put together by reading each module from the checkpoint of its level; nothing is
/// quantized again.
public struct LevelStore: Sendable {
  private let checkpoints: [Double: QuantizedCheckpoint]
  private let plain: QuantizedCheckpoint

  public var configuration: ModelConfiguration { plain.configuration }
  public var levels: [Double] { checkpoints.keys.sorted() }

  /// - Parameter folders: Bits of a level → folder of the model with all its experts at that level.
  /// - Throws: ``CheckpointError``, ``ConfigurationError``.
  public init(_ folders: [Double: URL]) throws {
    checkpoints = try folders.mapValues { try QuantizedCheckpoint($0) }
    guard let lowest = folders.keys.min(), let plain = checkpoints[lowest] else {
      preconditionFailure("a level store without levels")
    }
    self.plain = plain
  }

  /// Some neurons of an expert at a level, or a whole module.
  public struct Part: Sendable, Hashable {
    public let level: Double
    /// Rows of gate and up, columns of down; nil: all.
    public let neurons: [Int]?

    public init(level: Double, neurons: [Int]? = nil) {
      (self.level, self.neurons) = (level, neurons)
    }
  }

  /// The model with each module at its level.
  ///
  /// Neurons keep what the quantization of their whole expert at their level made of them: row j of
  /// gate and up, column j of down.
  /// - Parameter parts: Weight tensor → its parts, each neuron in one of them; tensors that are not
  ///   named are those of any level, which agree in them.
  /// - Returns: A source that reads each part from the checkpoint of its level.
  public func assembled(_ parts: [String: [Part]]) -> some WeightSource {
    AssembledModel(
      checkpoints: checkpoints, plain: plain, parts: parts, columnwise: downTensors)
  }

  /// Names of the weights whose neurons are columns.
  private var downTensors: Set<String> {
    Set(
      (0..<configuration.layerCount).flatMap { layer in
        configuration.linearModules(layer: layer).filter { $0.projection == .down }.map(\.tensor)
      })
  }
}

/// Modules of several levels under one configuration.
private struct AssembledModel: WeightSource {
  let checkpoints: [Double: QuantizedCheckpoint]
  let plain: QuantizedCheckpoint
  let parts: [String: [LevelStore.Part]]
  let columnwise: Set<String>

  var configuration: ModelConfiguration { plain.configuration }

  func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
    guard let parts = parts[name], let first = parts.first else {
      return try plain.matrix(name, rows: rows, columns: columns)
    }
    guard parts.count > 1 else {
      return try checkpoint(first.level).matrix(name, rows: rows, columns: columns)
    }
    var result = Matrix(rows: rows, columns: columns)
    for part in parts {
      let source = try checkpoint(part.level).matrix(name, rows: rows, columns: columns)
      if columnwise.contains(name) {
        result.copy(columns: part.neurons ?? [], of: source)
      } else {
        result.copy(rows: part.neurons ?? [], of: source)
      }
    }
    return result
  }

  func vector(_ name: String, count: Int) throws -> [Float] {
    try plain.vector(name, count: count)
  }

  func releasePages(of name: String) {
    for part in parts[name] ?? [] { checkpoint(part.level).releasePages(of: name) }
    plain.releasePages(of: name)
  }

  private func checkpoint(_ level: Double) -> QuantizedCheckpoint {
    guard let checkpoint = checkpoints[level] else {
      preconditionFailure("level \(level) is not in the store of \(checkpoints.keys.sorted())")
    }
    return checkpoint
  }
}

extension Matrix {
  fileprivate mutating func copy(rows chosen: [Int], of source: Matrix) {
    for row in chosen {
      let range = row * columns..<(row + 1) * columns
      storage.replaceSubrange(range, with: source.storage[range])
    }
  }

  fileprivate mutating func copy(columns chosen: [Int], of source: Matrix) {
    for start in stride(from: 0, to: rows * columns, by: columns) {
      for column in chosen { storage[start + column] = source.storage[start + column] }
    }
  }
}
