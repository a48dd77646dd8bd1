import MoEModels

extension InputSite {
  /// Group in a layer's file, under `layers/NN/`.
  var path: String {
    switch self {
    case .queryKeyValue: "attention/qkv_in"
    case .attentionOutput: "attention/o_in"
    case .gateUp(let expert): "experts/\(Self.padded(expert))/gate_up_in"
    case .down(let expert): "experts/\(Self.padded(expert))/down_in"
    }
  }

  private static func padded(_ expert: Int) -> String {
    String(repeating: "0", count: max(0, 3 - "\(expert)".count)) + "\(expert)"
  }
}
