public import Quantization

/// The base quantizer and its grid, without the bits that a plan decides.
public struct QuantizationMethod: Sendable, Equatable {
  public enum Solver: Sendable, Equatable {
    case roundToNearest
    /// - Parameters:
    ///   - minimumTokens: Modules with fewer calibration tokens are rounded to nearest, and counted:
    ///     compensation that is fitted to a few tokens is noise for all others.
    ///   - routingWeighted: Experts take H = 2 S_w / Σ w², which weighs each token's input by its
    ///     routing weight, instead of 2 S / n.
    case gptq(GPTQOptions, minimumTokens: Int, routingWeighted: Bool = false)
  }

  public static let defaultMinimumTokens = 32

  public var solver: Solver
  public var grids: GridFamily

  public init(solver: Solver, grids: GridFamily) {
    self.solver = solver
    self.grids = grids
  }

  public var readsCalibration: Bool { solver != .roundToNearest }

  /// Whether groups follow the order of rounding, so that every column's group must be stored.
  var storesGroupIndex: Bool {
    guard case .gptq(let options, _, _) = solver, grids.groupSize != nil else { return false }
    return options.columns != .natural && options.scales != .fixed
  }
}
