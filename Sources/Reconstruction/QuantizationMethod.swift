import Quantization

/// The base quantizer and its grid, without the bits that a plan decides.
public struct QuantizationMethod: Sendable, Equatable {
  public enum Solver: Sendable, Equatable {
    case roundToNearest
    /// - Parameters:
    ///   - damping: Share of the Hessian's mean diagonal added to its diagonal.
    ///   - minimumTokens: Modules with fewer calibration tokens are rounded to nearest, and counted:
    ///     compensation fitted to a few tokens is noise for all others.
    case gptq(damping: Double, minimumTokens: Int)
  }

  public static let defaultMinimumTokens = 32

  public var solver: Solver
  /// Weights along the input that share a scale.
  public var groupSize: Int
  public var symmetric: Bool

  public init(solver: Solver, groupSize: Int, symmetric: Bool) {
    self.solver = solver
    self.groupSize = groupSize
    self.symmetric = symmetric
  }

  public var readsCalibration: Bool { solver != .roundToNearest }

  /// - Throws: ``QuantizationError`` for bits that the grid does not support.
  public func grid(bits: Int) throws -> AffineGrid {
    try AffineGrid(bits: bits, groupSize: groupSize, symmetric: symmetric)
  }
}
