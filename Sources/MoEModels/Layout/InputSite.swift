/// A gated MLP of a layer.
public enum GatedBlock: Sendable, Hashable {
  case expert(Int)
  /// The expert that sees every token, beside the routed ones.
  case shared
  /// The only MLP of a dense layer.
  case dense

  /// nil for what every token goes through.
  public var expert: Int? {
    if case .expert(let index) = self { index } else { nil }
  }
}

/// A place in a decoder layer where projections read their input; those that read the same input
/// share its Hessian.
public enum InputSite: Sendable, Hashable {
  /// Input of q, k and v, or of the projections to the latents: the normalized residual stream,
  /// `[tokens, hidden]`.
  case queryKeyValue
  /// Input of the projection from the queries' latent to the heads, `[tokens, query rank]`.
  case queryLatent
  /// Input of the projection from the latent of keys and values to the heads,
  /// `[tokens, key-value rank]`.
  case keyValueLatent
  /// Input of o: the concatenated heads, `[tokens, heads · value dimension]`.
  case attentionOutput
  /// Input of gate and up: the tokens of this block, `[tokens, hidden]`.
  case gateUp(GatedBlock)
  /// Input of down: silu(gate x) · up x, `[tokens, width of the block]`.
  case down(GatedBlock)

  /// The MLP that the input belongs to; nil in attention.
  public var block: GatedBlock? {
    switch self {
    case .gateUp(let block), .down(let block): block
    case .queryKeyValue, .queryLatent, .keyValueLatent, .attentionOutput: nil
    }
  }
}
