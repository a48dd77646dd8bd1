public import Tensors

/// What is summed over the inputs of a layer's projections.
public struct CalibrationOptions: Sendable, Equatable {
  /// Which tokens an expert's statistics are made of. The forward pass is the same with all.
  public enum Tokens: Sendable, Equatable {
    /// Those routed to it.
    case routed
    /// All of the layer, so that every expert is covered.
    case all
    /// N · ((1 − λ) S_routed / n + λ S_all / N): the mean of both means, as a sum over N tokens; S_all
    /// where no token was routed.
    case mixture(Double)

    var needsAllTokens: Bool { self != .routed }
  }

  public var tokens: Tokens
  /// Whether S_w = Σ w² x xᵀ is stored too, w being the applied routing weight.
  public var routingWeighted: Bool
  /// What is kept of S.
  public var storage: MomentStorage

  public init(
    tokens: Tokens = .routed, routingWeighted: Bool = false, storage: MomentStorage = .full
  ) {
    self.tokens = tokens
    self.routingWeighted = routingWeighted
    self.storage = storage
  }
}
