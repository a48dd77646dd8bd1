/// What a model's predictions and routes on a text are, beside those of the full-precision model.
public struct MeasuredDivergence: Sendable {
  public internal(set) var tokens = TokenDivergences()
  /// nil if routes were not recorded, or the model has no routers.
  public internal(set) var drift: RouteDrift?
  /// Scored tokens of every window.
  public internal(set) var windowTokens: [Int] = []

  public init() {}

  mutating func add(
    _ block: PredictionBlock, _ pass: ScoredPass
  ) throws {
    tokens.append(try block.divergences(of: pass))
    guard !block.routes.isEmpty, !pass.routes.isEmpty else { return }
    var drift = drift ?? RouteDrift()
    drift.add(reference: block.routes, pass.routes)
    self.drift = drift
  }

  /// Adds the tokens of another text.
  public mutating func append(_ other: MeasuredDivergence) {
    let hadTokens = tokens.count > 0
    tokens.append(other.tokens)
    windowTokens += other.windowTokens
    guard let more = other.drift, drift != nil || !hadTokens else {
      drift = nil
      return
    }
    var drift = drift ?? RouteDrift()
    drift.add(more)
    self.drift = drift
  }

  /// Mean divergence of every window, nats per token.
  public var windowMeans: [Double] {
    var start = 0
    return windowTokens.map { count in
      defer { start += count }
      return tokens.divergence[start..<start + count].reduce(0.0) { $0 + Double($1) }
        / Double(count)
    }
  }

  /// Mean −ln p + ln p_full over tokens whose route is the same, or changed; nil if there are none.
  public func lossChange(ofSameRoutes isSame: Bool) -> Double? {
    guard let drift else { return nil }
    return DivergenceSummary(tokens) { (drift.firstChange[$0] < 0) == isSame }?.lossChange
  }
}
