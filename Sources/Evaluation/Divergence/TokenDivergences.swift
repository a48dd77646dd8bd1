/// How far a model's predictions are from the full-precision model's, for every scored token.
public struct TokenDivergences: Sendable, Equatable {
  /// KL(P_full ‖ P), nats; see ``PredictionBlock`` for what is known beyond the stored top-k.
  public var divergence: [Float]
  /// Whether both find the same token likeliest.
  public var agrees: [Bool]
  /// p(true token) − p_full(true token).
  public var probabilityChange: [Float]
  /// The largest probability of the full-precision model: its confidence.
  public var confidence: [Float]
  /// −ln p(true token), nats.
  public var losses: [Float]
  /// −ln p_full(true token), nats.
  public var referenceLosses: [Float]

  public var count: Int { divergence.count }

  init(count: Int = 0) {
    let zeros = [Float](repeating: 0, count: count)
    divergence = zeros
    agrees = [Bool](repeating: false, count: count)
    (probabilityChange, confidence, losses, referenceLosses) = (zeros, zeros, zeros, zeros)
  }

  mutating func append(_ other: TokenDivergences) {
    divergence += other.divergence
    agrees += other.agrees
    probabilityChange += other.probabilityChange
    confidence += other.confidence
    losses += other.losses
    referenceLosses += other.referenceLosses
  }

  /// −ln p − (−ln p_full) of a token, nats.
  func lossChange(of token: Int) -> Double {
    Double(losses[token]) - Double(referenceLosses[token])
  }
}
