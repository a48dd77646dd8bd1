import Checkpoints

/// A place in a decoder layer where projections read their input; those that read the same input
/// share its Hessian.
public enum InputSite: Sendable, Hashable {
  /// Input of q, k and v: the normalized residual stream, `[tokens, hidden]`.
  case queryKeyValue
  /// Input of o: the concatenated heads, `[tokens, heads · headDimension]`.
  case attentionOutput
  /// Input of an expert's gate and up: the tokens routed to it, `[routed tokens, hidden]`.
  case gateUp(expert: Int)
  /// Input of an expert's down: silu(gate x) · up x, `[routed tokens, expert width]`.
  case down(expert: Int)

  /// Channels of the input.
  public func width(in c: ModelConfiguration) -> Int {
    switch self {
    case .queryKeyValue, .gateUp: c.hiddenSize
    case .attentionOutput: c.attentionHeadCount * c.headDimension
    case .down: c.intermediateSize
    }
  }

  /// All sites of a layer, in the order of the forward pass.
  public static func all(experts: Int) -> [InputSite] {
    [.queryKeyValue, .attentionOutput]
      + (0..<experts).flatMap { [.gateUp(expert: $0), .down(expert: $0)] }
  }
}
