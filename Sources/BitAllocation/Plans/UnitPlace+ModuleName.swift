extension UnitPlace {
  static let moduleNameForms =
    "a linear layer such as model.layers.0.self_attn.q_proj, model.layers.0.mlp.gate_proj, "
    + "model.layers.0.mlp.experts.5.up_proj or model.layers.0.block_sparse_moe.experts.5.w1"

  /// The block of a name that continues with a projection.
  private static let blocks: [[Substring]: Block] = [
    ["self_attn"]: .attention, ["mlp"]: .mlp, ["mlp", "experts"]: .experts,
    ["block_sparse_moe", "experts"]: .experts, ["mlp", "shared_expert"]: .shared,
    ["mlp", "shared_experts"]: .shared,
  ]

  /// Mixtral: w2(act(w1 x) ⊙ w3 x).
  private static let mixtralProjections: [Substring: String] = [
    "w1": "gate", "w2": "down", "w3": "up",
  ]

  /// Reads the name of a linear layer in a Hugging Face checkpoint, without `.weight`; nil for any
  /// other name.
  init?(moduleName: String) {
    var names = moduleName.split(separator: ".", omittingEmptySubsequences: false)[...]
    if names.first == "model" { names.removeFirst() }
    guard names.popFirst() == "layers", let layer = names.popFirst().flatMap(Self.index),
      let last = names.popLast()
    else { return nil }
    var expert: Int?
    if names.count == 3 {
      guard let index = names.popLast().flatMap(Self.index) else { return nil }
      expert = index
    }
    guard let block = Self.blocks[Array(names)], (block == .experts) == (expert != nil),
      let projection = Self.projection(last, mixtral: names.first == "block_sparse_moe"),
      (block == .attention) == ["q", "k", "v", "o"].contains(projection)
    else { return nil }
    self.init(layer: layer, block: block, expert: expert, projection: projection)
  }

  private static func projection(_ name: Substring, mixtral: Bool) -> String? {
    if mixtral { return mixtralProjections[name] }
    guard name.hasSuffix("_proj") else { return nil }
    let projection = String(name.dropLast("_proj".count))
    return projections.contains(projection) ? projection : nil
  }
}
