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

  /// The model with each module at its level.
  ///
  /// - Parameter bits: Weight tensor → level; tensors that are not named are those of any level,
  ///   which agree in them.
  /// - Returns: A source that reads each module from the checkpoint of its level.
  public func assembled(_ bits: [String: Double]) -> some WeightSource {
    AssembledModel(checkpoints: checkpoints, plain: plain, bits: bits)
  }
}

/// Modules of several levels under one configuration.
private struct AssembledModel: WeightSource {
  let checkpoints: [Double: QuantizedCheckpoint]
  let plain: QuantizedCheckpoint
  let bits: [String: Double]

  var configuration: ModelConfiguration { plain.configuration }

  func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
    try checkpoint(of: name).matrix(name, rows: rows, columns: columns)
  }

  func vector(_ name: String, count: Int) throws -> [Float] {
    try plain.vector(name, count: count)
  }

  func releasePages(of name: String) { checkpoint(of: name).releasePages(of: name) }

  private func checkpoint(of name: String) -> QuantizedCheckpoint {
    bits[name].flatMap { checkpoints[$0] } ?? plain
  }
}
