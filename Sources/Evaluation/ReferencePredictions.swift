public import MoEModels
public import Tensors

/// What the full-precision model predicts after each token of some sequences, kept as logits.
///
/// Memory: 4 bytes for each token and entry of the vocabulary.
public final class ReferencePredictions: Sendable {
  public let sequences: [[Int32]]
  public let precision: Precision
  let vocabulary: Int
  /// `[tokens, vocabulary]`, and ln Σ e^logit of every row.
  let logits: [Float]
  let sums: [Double]

  public var tokens: Int { sums.count }

  /// Runs the model once.
  ///
  /// - Parameters:
  ///   - sequences: Token ids; every position counts.
  ///   - source: The full-precision model.
  ///   - precision: Of this pass, and of those compared with it.
  /// - Throws: What the model throws.
  public init(
    of sequences: [[Int32]], source: any WeightSource, precision: Precision
  ) throws {
    let vocabulary = source.configuration.vocabularySize
    let pass = try ForwardPass(sequences, source: source, precision: precision)
    try pass.runLayers()
    var logits: [Float] = []
    logits.reserveCapacity(sequences.reduce(0) { $0 + $1.count } * vocabulary)
    var sums: [Double] = []
    try pass.forEachLogits { _, rows, values in
      logits.append(contentsOf: UnsafeBufferPointer(start: values, count: rows * vocabulary))
      sums += (0..<rows).map {
        VectorMath.logSumExp(values + $0 * vocabulary, count: vocabulary)
      }
    }
    (self.sequences, self.precision, self.vocabulary) = (sequences, precision, vocabulary)
    (self.logits, self.sums) = (logits, sums)
  }

  /// KL(P_full ‖ P) in nats at every token, of a pass whose layers are done.
  ///
  /// - Throws: What reading weights throws.
  public func divergences(of pass: ForwardPass) throws -> [Double] {
    var result = [Double](repeating: 0, count: tokens)
    try logits.withUnsafeBufferPointer { reference in
      guard let reference = reference.baseAddress else { return }
      try pass.forEachLogits { first, rows, values in
        result.withUnsafeMutableBufferPointer { result in
          // SAFETY: every chunk writes its own rows.
          nonisolated(unsafe) let (result, values, reference) = (result, values, reference)
          forEachChunk(of: rows, size: 16) { range in
            for row in range {
              let (p, q) = (reference + (first + row) * vocabulary, values + row * vocabulary)
              result[first + row] = VectorMath.divergence(
                p, q, count: vocabulary, xSum: sums[first + row],
                ySum: VectorMath.logSumExp(q, count: vocabulary))
            }
          }
        }
      }
    }
    return result
  }
}
