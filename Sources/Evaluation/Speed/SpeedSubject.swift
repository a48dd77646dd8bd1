public import Foundation
public import MoEModels

/// A model that is timed, and how it runs.
public struct SpeedSubject: Codable, Sendable, Equatable {
  public enum Execution: String, Codable, CaseIterable, Sendable {
    /// From packed weights where every one of them has a kernel; else as ``dequantized``.
    case packed
    case dequantized
  }

  /// Path of a full-precision or quantized folder.
  public var folder: String
  /// Of a quantized folder.
  public var execution: Execution
  /// 8-bit activations: of quantized folders; f32 for others.
  public var compute: ComputeMode

  public init(folder: URL, execution: Execution = .packed, compute: ComputeMode) {
    (self.folder, self.execution, self.compute) = (folder.path, execution, compute)
  }

  /// The model with all its layers in memory, and what ``ModelSpeed/mode`` says of it.
  ///
  /// - Parameter room: Tokens of the longest sequence.
  /// - Returns: Both.
  /// - Throws: What reading the model throws.
  func decoder(room: Int) throws -> (Decoder, mode: String) {
    let folder = try ModelFolder(URL(filePath: folder))
    let (precision, dense) = (compute.precision, compute.precision.rawValue)
    let packed = try? PackedExecution(folder, activations: compute.activations)
    if let packed, execution == .packed || compute.activations == .int8 {
      do {
        let decoder = try Decoder(source: packed, precision: precision, room: room)
        return (decoder, mode: "packed+\(compute.rawValue)")
      } catch let error as PackedExecutionError {
        guard compute.activations == .exact else { throw error }
      }
    }
    return (
      try Decoder(source: folder.weights, precision: precision, room: room),
      mode: (packed == nil ? "" : "dequantized+") + dense
    )
  }
}

/// How fast a model ran, and what it took.
public struct ModelSpeed: Codable, Sendable, Equatable {
  /// `packed+f32`: packed products, and f32 for what has none. `packed+int8-activations`: likewise with
  /// inputs of 8 bits. `dequantized+…`: a quantized folder without packed products.
  public var mode: String
  /// Weights that one token reads, see ``Decoder/bytesPerToken``.
  public var bytesPerToken: Double
  public var times: DecodingSpeed
  /// Largest resident memory of the model's process until it was loaded, bytes.
  public var loadingMemory: Int
  /// The same after that, with prompt and steps.
  public var runningMemory: Int

  /// Of the process from start to end.
  public var peakMemory: Int { max(loadingMemory, runningMemory) }
}
