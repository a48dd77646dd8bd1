/// Why no gradient of a model can be had.
public enum BackwardError: Error, Equatable, CustomStringConvertible {
  case latentAttention(layer: Int)
  /// The file of residual streams: its folder and the reason.
  case states(String, String)

  public var description: String {
    switch self {
    case .latentAttention(let layer):
      "Layer \(layer) has latent attention (DeepSeek-V2), for which no backward pass is written; "
        + "gradients, Fisher information and OmniQuant are for grouped-query attention."
    case .states(let folder, let reason):
      "Residual streams do not go to and from a file in \(folder): \(reason)."
    }
  }
}
