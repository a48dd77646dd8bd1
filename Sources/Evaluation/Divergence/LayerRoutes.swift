import MoEModels

/// Where a layer sent the scored tokens.
struct LayerRoutes: Sendable, Equatable {
  /// Index of the layer.
  let layer: Int
  /// Experts a token.
  let topK: Int
  /// All experts of the layer.
  let expertCount: Int
  /// Rising experts of every token, `[tokens, topK]`.
  var experts: [Int32]
  /// Router probabilities, `[tokens, expertCount]`.
  var probabilities: [Float]

  var tokens: Int { experts.count / max(topK, 1) }

  func experts(of token: Int) -> ArraySlice<Int32> { experts[token * topK..<(token + 1) * topK] }
}

/// Keeps the routes of the scored tokens of one layer.
final class RouteTap: LayerTap {
  /// Position of every row of the pass among the scored tokens, −1 where it is not scored.
  private let positions: [Int32]
  private var row = 0
  private var topK = 0
  private var expertCount = 0
  private var experts: [Int32] = []
  private var probabilities: [Float] = []

  let wantsAllTokens = false
  let wantsRouterProbabilities = true

  init(positions: [Int32]) { self.positions = positions }

  /// nil if the layer has no router.
  func routes(layer: Int) -> LayerRoutes? {
    guard topK > 0 else { return nil }
    return LayerRoutes(
      layer: layer, topK: topK, expertCount: expertCount, experts: experts,
      probabilities: probabilities)
  }

  func observe(_ routing: Routing) {
    topK = routing.topK
    expertCount = routing.probabilities.count / max(routing.tokens, 1)
    for token in 0..<routing.tokens where positions[row + token] >= 0 {
      experts += routing.experts[token * topK..<(token + 1) * topK].map { Int32($0) }.sorted()
      probabilities += routing.probabilities[token * expertCount..<(token + 1) * expertCount]
    }
    row += routing.tokens
  }

  func observe(
    _ site: InputSite, _ x: UnsafePointer<Float>, rows: Int, columns: Int, weights: [Float]?
  ) {}
  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int) {}
}
