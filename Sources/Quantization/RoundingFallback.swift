/// Why a matrix was rounded to nearest although GPTQ was asked for.
public enum RoundingFallback: String, Codable, Sendable, CaseIterable {
  /// Calibration sent no token here, so that there is no Hessian.
  case roundToNearestWithoutTokens = "rtn-no-tokens"
  /// Fewer tokens came here than the method asks for.
  case roundToNearestWithFewTokens = "rtn-few-tokens"
  /// The Hessian stayed indefinite at the largest damping.
  case roundToNearestAfterFailure = "rtn-not-positive-definite"

  /// nil if there are enough calibration tokens, at least one.
  public init?(tokens: Int, minimum: Int) {
    guard tokens < max(minimum, 1) else { return nil }
    self = tokens == 0 ? .roundToNearestWithoutTokens : .roundToNearestWithFewTokens
  }

  /// nil for errors that rounding to nearest does not answer.
  public init?(_ error: QuantizationError) {
    switch error {
    case .noCalibration: self = .roundToNearestWithoutTokens
    case .notPositiveDefinite: self = .roundToNearestAfterFailure
    default: return nil
    }
  }
}
