import MoEModels

extension InputSite {
  /// Group in a layer's file, under `layers/NN/`.
  var path: String {
    switch self {
    case .queryKeyValue: "attention/qkv_in"
    case .queryLatent: "attention/q_latent_in"
    case .keyValueLatent: "attention/kv_latent_in"
    case .attentionOutput: "attention/o_in"
    case .gateUp(let block): "\(Self.group(of: block))/gate_up_in"
    case .down(let block): "\(Self.group(of: block))/down_in"
    }
  }

  private static func group(of block: GatedBlock) -> String {
    switch block {
    case .expert(let index): "experts/\(padded(index))"
    case .shared: "shared"
    case .dense: "mlp"
    }
  }

  private static func padded(_ expert: Int) -> String {
    String(repeating: "0", count: max(0, 3 - "\(expert)".count)) + "\(expert)"
  }
}
