import BitAllocation
import Quantization
import Tensors

/// What a unit costs and loses at a level; units add up.
///
/// A loss that one of two summands does not have counts as zero there: experts that no token
/// reached do not hide what the rest of their layer loses.
struct LevelSums {
  var codeBits = 0.0
  var metadataBits = 0.0
  /// ‖Δ‖².
  var squaredError = 0.0
  /// With factors and scale.
  var loss: Double?
  /// The additive ones, all but `weight-mse`.
  var sensitivities: [Sensitivity: Double] = [:]

  /// A matrix at a level; the loss is left to who knows factors and scale.
  ///
  /// - Parameters:
  ///   - module: The matrix.
  ///   - rounded: The same at the level.
  ///   - layerTokens: N.
  init(_ module: ModuleInput, _ rounded: RoundedModule, layerTokens: Int) {
    codeBits = rounded.codeBits
    metadataBits = rounded.metadataBits
    let difference = rounded.weights.minus(module.weights)
    squaredError = difference.squaredNorm
    if let fisher = module.fisher {
      let loss = difference.squares(weightedBy: fisher)
      sensitivities[.fisher] = loss
      if let condition = module.moments?.condition {
        sensitivities[.fisherCondition] = condition * loss
      }
    }
    guard let moments = module.moments else { return }
    let total = ProxyLoss.total(of: difference, under: moments.sum)
    if moments.tokens > 0 {
      let n = Double(moments.tokens)
      let trace = moments.sum.diagonal.reduce(0) { $0 + Double($1) }
      sensitivities[.secondOrder] = total / n
      sensitivities[.hawqTrace] =
        2 * trace / (n * Double(difference.columns)) * squaredError
    }
    switch moments.weighted {
    case .unknown: break
    case .isSum: sensitivities[.output] = total / Double(max(layerTokens, 1))
    case .sum(let weighted):
      sensitivities[.output] =
        ProxyLoss.total(of: difference, under: weighted) / Double(max(layerTokens, 1))
    }
  }

  init() {}

  static func + (a: LevelSums, b: LevelSums) -> LevelSums {
    var sum = a
    sum.codeBits += b.codeBits
    sum.metadataBits += b.metadataBits
    sum.squaredError += b.squaredError
    if let loss = b.loss { sum.loss = (a.loss ?? 0) + loss }
    sum.sensitivities.merge(b.sensitivities) { $0 + $1 }
    return sum
  }

  /// As tables have it.
  func level(_ level: LevelMix, weights: Int) -> Level {
    var named = Dictionary(
      uniqueKeysWithValues: sensitivities.map { ($0.key.rawValue, $0.value) })
    named[Sensitivity.weightMSE.rawValue] = squaredError / Double(weights)
    return Level(
      bits: level.bits, loss: loss, codeBits: codeBits, metadataBits: metadataBits,
      sensitivities: named)
  }
}

extension Matrix {
  /// Σ weights · self², in double precision.
  fileprivate func squares(weightedBy weights: Matrix) -> Double {
    precondition(
      rows == weights.rows && columns == weights.columns,
      "[\(rows), \(columns)] weighted by [\(weights.rows), \(weights.columns)]")
    return storage.withUnsafeBufferPointer { values in
      weights.storage.withUnsafeBufferPointer { weights in
        var sum = 0.0
        for index in values.indices {
          sum += Double(weights[index]) * Double(values[index]) * Double(values[index])
        }
        return sum
      }
    }
  }
}
