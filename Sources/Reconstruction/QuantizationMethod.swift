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
  /// Weights along the input that share a scale; nil: the whole row.
  public var groupSize: Int?
  public var symmetric: Bool
  /// nil: a group's range is that of its weights.
  public var rangeSearch: RangeSearch?

  public init(
    solver: Solver, groupSize: Int?, symmetric: Bool, rangeSearch: RangeSearch? = nil
  ) {
    self.solver = solver
    self.groupSize = groupSize
    self.symmetric = symmetric
    self.rangeSearch = rangeSearch
  }

  public var readsCalibration: Bool { solver != .roundToNearest }

  /// Whether groups follow the order of rounding, so that every column's group must be stored.
  var storesGroupIndex: Bool {
    guard case .gptq(let options, _, _) = solver, groupSize != nil else { return false }
    return options.columns != .natural && options.scales != .fixed
  }

  /// - Throws: ``QuantizationError`` for bits that the grid does not support.
  public func grid(bits: Int) throws -> AffineGrid {
    try AffineGrid(
      bits: bits, groupSize: groupSize, symmetric: symmetric, rangeSearch: rangeSearch)
  }
}
