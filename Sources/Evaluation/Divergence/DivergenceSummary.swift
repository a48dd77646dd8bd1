public import Statistics

/// Divergence over many tokens: the set of llama.cpp's `perplexity --kl-divergence`.
public struct DivergenceSummary: Sendable {
  public let tokens: Int
  /// Of KL(P_full ‖ P) per token, nats.
  public let mean: Double
  /// Quantiles of it.
  public let divergence: Quantiles
  /// Share of tokens where both find the same token likeliest.
  public let agreement: Double
  /// Of p(true token) − p_full(true token).
  public let changeMean: Double
  /// √(mean square) of it.
  public let changeRMS: Double
  public let change: Quantiles
  /// Mean of −ln p + ln p_full of the true token, nats: ln of the ratio of perplexities.
  public let lossChange: Double

  /// Summarizes tokens; nil for none.
  ///
  /// - Parameters:
  ///   - all: Divergences.
  ///   - isIncluded: Which tokens count; all by default.
  public init?(
    _ all: TokenDivergences, where isIncluded: (_ token: Int) -> Bool = { _ in true }
  ) {
    let chosen = (0..<all.count).filter(isIncluded)
    let count = Double(chosen.count)
    guard let divergence = Quantiles(chosen.lazy.map { Double(all.divergence[$0]) }),
      let change = Quantiles(chosen.lazy.map { Double(all.probabilityChange[$0]) })
    else { return nil }
    func mean(_ value: (Int) -> Double) -> Double { chosen.reduce(0) { $0 + value($1) } / count }
    tokens = chosen.count
    self.mean = mean { Double(all.divergence[$0]) }
    self.divergence = divergence
    agreement = Double(chosen.count { all.agrees[$0] }) / count
    changeMean = mean { Double(all.probabilityChange[$0]) }
    changeRMS = mean { Double(all.probabilityChange[$0]) * Double(all.probabilityChange[$0]) }
      .squareRoot()
    self.change = change
    lossChange = mean { all.lossChange(of: $0) }
  }

  /// Bounds of the buckets by ``TokenDivergences/confidence``; the last holds 1.
  public static let confidenceBounds = [0, 0.25, 0.5, 0.75, 0.9, 0.99, 1]

  /// Tokens by the full-precision model's confidence.
  ///
  /// - Returns: Bounds, and the tokens from the lower to below the upper; nil where there is none.
  public static func byConfidence(
    _ all: TokenDivergences
  ) -> [(lower: Double, upper: Double, summary: DivergenceSummary?)] {
    zip(confidenceBounds, confidenceBounds.dropFirst()).map { lower, upper in
      let summary = DivergenceSummary(all) { token in
        let confidence = Double(all.confidence[token])
        return confidence >= lower && (confidence < upper || upper == 1)
      }
      return (lower, upper, summary)
    }
  }
}
