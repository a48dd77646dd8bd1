import Calibration
import MoEModels
import Quantization
import Tensors

/// What is known about the modules of a layer beside their weights.
struct LayerInformation {
  let statistics: CalibrationLayer?
  /// The Fisher diagonal of a module; nil if there is none.
  let fisher: (@Sendable (LinearModule) throws -> Matrix)?
  /// nil unless axes are judged at outputs of blocks.
  var blockErrors: BlockErrors?

  /// What an error of a module's weights costs.
  ///
  /// - Parameters:
  ///   - module: Which.
  ///   - source: What was asked for.
  /// - Returns: `equal` where no token came by, also if something else was asked for.
  /// - Throws: ``QuantizationInputError``, and what reading statistics throws.
  func importance(
    of module: LinearModule, _ source: ImportanceSource
  ) throws -> WeightImportance {
    switch source {
    case .none: return .equal
    case .fisher:
      guard let fisher else { throw QuantizationInputError.noFisher(module: module.tensor) }
      return .fisher(try fisher(module))
    case .hessian:
      guard let statistics else { return .equal }
      guard try statistics.tokens(at: module.input) > 0 else { return .equal }
      return .inputs(try statistics.hessian(of: module, routingWeighted: false).diagonal)
    }
  }

  /// E[x xᵀ] of a module's input; nil without tokens.
  func moments(of module: LinearModule) throws -> SecondMoments? {
    guard let statistics else { return nil }
    let tokens = try statistics.tokens(at: module.input)
    guard tokens > 0 else { return nil }
    return try statistics.sum(at: module.input, order: module.columns)
      .scaled(by: 1 / Float(tokens))
  }
}

extension QuantizationMethod {
  /// The outliers of a matrix; nil if none are asked for.
  ///
  /// - Throws: ``QuantizationError``.
  func outliers(
    in weights: Matrix, _ importance: WeightImportance
  ) throws(QuantizationError) -> Outliers? {
    guard var rule = outliers else { return nil }
    let sensitivity = rule.sensitiveFraction > 0 ? importance.sensitivity(of: weights) : nil
    // Without a token no value is known to be sensitive: only its range makes an outlier.
    if sensitivity == nil { rule.sensitiveFraction = 0 }
    return try rule.outliers(in: weights, fisher: sensitivity)
  }
}

extension CalibrationLayer {
  /// H = 2 S / n or 2 S_w / Σ w², without damping.
  func hessian(of module: LinearModule, routingWeighted: Bool) throws -> SecondMoments {
    let (site, order) = (module.input, module.columns)
    guard routingWeighted else {
      return try sum(at: site, order: order).scaled(by: 2 / Float(try tokens(at: site)))
    }
    guard let squares = try routingWeightSquares(at: site) else {
      throw QuantizationInputError.noRoutingWeightedSums(layer: module.layer)
    }
    return try routingWeightedSum(at: site, order: order)
      .scaled(by: squares > 0 ? Float(2 / squares) : 0)
  }
}

/// Why a model cannot be quantized with the calibration at hand.
public enum QuantizationInputError: Error, Equatable, CustomStringConvertible {
  case noRoutingWeightedSums(layer: Int)
  case noFisher(module: String)

  public var description: String {
    switch self {
    case .noRoutingWeightedSums(let layer):
      "The calibration of layer \(layer) has no routing-weighted sums; calibrate with "
        + "routingWeighted (calibrate --routing-weighted)."
    case .noFisher(let module):
      "\(module): there is no Fisher diagonal at hand; compute one, or take the importance from the "
        + "Hessian."
    }
  }
}
