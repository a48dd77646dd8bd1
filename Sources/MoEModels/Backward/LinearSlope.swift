public import Tensors

/// What a backward pass knows of one projection `y = x Wᵀ`: from it come the slopes of its weights.
public struct LinearSlope: Sendable {
  /// Name of W in the checkpoint.
  public let tensor: String
  /// x, `[rows, in]`.
  public let input: Matrix
  /// ∂loss/∂y, `[rows, out]`.
  public let output: Matrix
  /// Token of each row in the batch, ascending; nil: every token, in order.
  public let tokens: [Int]?

  /// ∂loss/∂W = (∂loss/∂y)ᵀ x over all rows, `[out, in]`.
  public var weight: Matrix { output.transposedTimes(input) }

  /// The part of ∂loss/∂W that comes from some tokens.
  ///
  /// - Parameter range: Tokens of the batch.
  /// - Returns: `[out, in]`; nil if none of them is among the rows.
  public func weight(ofTokens range: Range<Int>) -> Matrix? {
    let rows = rows(ofTokens: range)
    return rows.isEmpty ? nil : output.transposedTimes(input, rows: rows)
  }

  private func rows(ofTokens range: Range<Int>) -> Range<Int> {
    guard let tokens else { return range.clamped(to: 0..<input.rows) }
    let first = tokens.firstIndex { $0 >= range.lowerBound } ?? tokens.count
    let end = tokens[first...].firstIndex { $0 >= range.upperBound } ?? tokens.count
    return first..<end
  }
}

/// Slopes of a loss at the lower end of a layer.
public struct LayerSlopes: Sendable {
  /// With respect to the layer's input, `[tokens, hidden]`.
  public var input: Matrix
  /// With respect to the weights of its normalizations, by name.
  public var norms: [String: [Float]] = [:]
}

/// Why no gradient of a model can be had.
public enum BackwardError: Error, Equatable, CustomStringConvertible {
  case latentAttention(layer: Int)

  public var description: String {
    switch self {
    case .latentAttention(let layer):
      "Layer \(layer) has latent attention (DeepSeek-V2), for which no backward pass is written; "
        + "gradients, Fisher information and OmniQuant are for grouped-query attention."
    }
  }
}
