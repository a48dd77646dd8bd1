import Tensors

/// Why a matrix was rounded to nearest although GPTQ was asked for.
public enum RoundingFallback: String, Codable, Sendable, CaseIterable {
  /// Calibration sent no token here, so that there is no Hessian.
  case roundToNearestWithoutTokens = "rtn-no-tokens"
  /// The Hessian stayed indefinite at the largest damping.
  case roundToNearestAfterFailure = "rtn-not-positive-definite"
}

/// What came of a matrix: solved, or rounded to nearest for a reason that is to be reported.
public enum GPTQOutcome: Sendable, Equatable {
  case solved(GPTQResult)
  case rounded(PackedMatrix, because: RoundingFallback)

  public var packed: PackedMatrix {
    switch self {
    case .solved(let result): result.packed
    case .rounded(let packed, _): packed
    }
  }

  public var fallback: RoundingFallback? {
    if case .rounded(_, let reason) = self { reason } else { nil }
  }
}

extension GPTQ {
  /// As ``quantize(_:hessian:)-(_,SecondMoments)``, but a Hessian that is zero or stays indefinite
  /// makes the matrix round to nearest, which the outcome says.
  ///
  /// - Parameters:
  ///   - weights: W, shape `[outputs, inputs]`.
  ///   - hessian: H = 2 S / n, order `inputs`, without damping.
  /// - Returns: The solution, or W on the grid and the reason.
  /// - Throws: ``QuantizationError`` for everything else.
  public func quantizeOrRound(
    _ weights: Matrix, hessian: SecondMoments
  ) throws(QuantizationError) -> GPTQOutcome {
    do throws(QuantizationError) {
      return .solved(try quantize(weights, hessian: hessian))
    } catch {
      let reason: RoundingFallback
      switch error {
      case .noCalibration: reason = .roundToNearestWithoutTokens
      case .notPositiveDefinite: reason = .roundToNearestAfterFailure
      default: throw error
      }
      return .rounded(try RoundToNearest.quantize(weights, grid: grid), because: reason)
    }
  }
}
