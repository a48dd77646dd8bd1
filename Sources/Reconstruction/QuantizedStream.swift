public import Calibration
import Checkpoints
import Foundation
import MoEModels
public import Tensors

/// Hessians of inputs that come from already quantized layers, as in GPTQ's code: the sample goes
/// through each layer twice, first to be observed, then with the quantized weights.
public struct QuantizedStream: Sendable {
  public var sample: CalibrationSample
  public var options: CalibrationOptions
  public var precision: Precision

  public init(sample: CalibrationSample, options: CalibrationOptions, precision: Precision) {
    (self.sample, self.options, self.precision) = (sample, options, precision)
  }
}

/// A checkpoint with the modules of one layer quantized.
struct LayerOverlay: WeightSource {
  let checkpoint: Checkpoint
  let packed: [String: QuantizedWeight]

  var configuration: ModelConfiguration { checkpoint.configuration }

  func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
    guard let packed = packed[name] else {
      return try checkpoint.matrix(name, rows: rows, columns: columns)
    }
    return packed.matrix.dequantized()
  }

  func vector(_ name: String, count: Int) throws -> [Float] {
    try checkpoint.vector(name, count: count)
  }

  func releasePages(of name: String) { checkpoint.releasePages(of: name) }
}
