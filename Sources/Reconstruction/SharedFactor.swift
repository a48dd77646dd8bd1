import Calibration
import MoEModels
import Quantization

/// The factored Hessian of an input, or why there is none.
enum SharedFactor {
  case factor(DampedFactor, tokens: Int)
  case unavailable(ModuleReport.Fallback, tokens: Int)

  /// H = 2 S / n or 2 S_w / Σ w², damped and factored.
  static func of(
    _ module: LinearModule, statistics: CalibrationLayer, options: GPTQOptions,
    minimumTokens: Int, routingWeighted: Bool
  ) throws -> SharedFactor {
    let tokens = try statistics.tokens(at: module.input)
    if let fallback = RoundingFallback(tokens: tokens, minimum: minimumTokens) {
      return .unavailable(fallback, tokens: tokens)
    }
    let hessian = try statistics.hessian(
      of: module, routingWeighted: routingWeighted && module.expert != nil)
    do throws(QuantizationError) {
      let factor = try DampedFactor(
        of: hessian, relativeDamping: options.relativeDamping, columns: options.columns)
      return .factor(factor, tokens: tokens)
    } catch {
      guard let fallback = RoundingFallback(error) else { throw error }
      return .unavailable(fallback, tokens: tokens)
    }
  }
}
