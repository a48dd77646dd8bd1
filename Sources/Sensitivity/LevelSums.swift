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
  func level(bits: Double, weights: Int) -> Level {
    var named = Dictionary(
      uniqueKeysWithValues: sensitivities.map { ($0.key.rawValue, $0.value) })
    named[Sensitivity.weightMSE.rawValue] = squaredError / Double(weights)
    return Level(
      bits: bits, loss: loss, codeBits: codeBits, metadataBits: metadataBits,
      sensitivities: named)
  }
}

extension Matrix {
  /// self - other, element by element.
  func minus(_ other: Matrix) -> Matrix {
    precondition(
      rows == other.rows && columns == other.columns,
      "[\(rows), \(columns)] against [\(other.rows), \(other.columns)]")
    let (a, b) = (storage, other.storage)
    let difference = [Float](unsafeUninitializedCapacity: a.count) { target, count in
      for index in a.indices { target[index] = a[index] - b[index] }
      count = a.count
    }
    return Matrix(rows: rows, columns: columns, storage: difference)
  }

  /// Σ of the squares, in double precision: eight sums side by side, then theirs.
  var squaredNorm: Double {
    storage.withUnsafeBufferPointer { values in
      var sums = SIMD8<Double>()
      let whole = values.count & ~7
      for start in stride(from: 0, to: whole, by: 8) {
        for lane in 0..<8 {
          let value = Double(values[start + lane])
          sums[lane] += value * value
        }
      }
      return values[whole...].reduce(sums.sum()) { $0 + Double($1) * Double($1) }
    }
  }
}
