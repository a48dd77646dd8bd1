import BitAllocation
import Calibration
import Foundation
import MoEModels
import Quantization
import Tensors

/// A matrix and what is known about its input.
struct ModuleInput {
  let module: LinearModule
  let weights: Matrix
  /// nil without calibration.
  let moments: InputMoments?
}

/// Sums over the input of some matrices; loaded and factored once for all of them and all levels.
struct InputMoments {
  /// S_w = Σ w² x xᵀ.
  enum RoutingWeighted {
    /// Every token comes with weight 1.
    case isSum
    case sum(SecondMoments)
    /// The calibration does not have it.
    case unknown
  }

  /// n.
  let tokens: Int
  /// S.
  let sum: SecondMoments
  let weighted: RoutingWeighted
  /// Of H = 2S/n; nil where it is not asked for or there is none.
  let factor: DampedFactor?
}

/// A matrix at a level.
struct RoundedModule {
  /// Ŵ.
  let weights: Matrix
  let codeBits: Double
  let metadataBits: Double
}

/// What a level means: the one place that turns matrices and a level into rounded weights and bits.
struct LevelRounding {
  var grids: GridFamily
  var error: ExpertMeasurement.WeightError

  /// Rounds the matrices of one block together.
  ///
  /// - Parameters:
  ///   - modules: Gate, up and down of an MLP, or the projections of attention.
  ///   - level: Bits per weight.
  /// - Returns: One for each module.
  /// - Throws: ``MeasurementError/unsupportedLevel(_:)``, ``QuantizationError``.
  func rounded(_ modules: [ModuleInput], to level: Double) throws -> [RoundedModule] {
    let grid = try grid(level)
    return try modules.map { module in
      let packed = try packed(module, grid)
      return RoundedModule(
        weights: packed.dequantized(), codeBits: Double(packed.codeBits),
        metadataBits: Double(packed.metadataBits))
    }
  }

  private func grid(_ level: Double) throws -> AffineGrid {
    guard let bits = Int(exactly: level), (1...8).contains(bits) else {
      throw MeasurementError.unsupportedLevel(level)
    }
    return try grids.grid(bits: bits)
  }

  private func packed(
    _ input: ModuleInput, _ grid: AffineGrid
  ) throws(QuantizationError) -> PackedMatrix {
    guard case .gptq(let options, _) = error, let factor = input.moments?.factor else {
      return try RoundToNearest.quantize(input.weights, grid: grid)
    }
    return try GPTQ(grid: grid, options: options).quantize(input.weights, factor: factor).packed
  }
}
