/// Experts stored as one 3-D tensor, seen as the matrices of each expert.
///
///     ….experts.gate_up_proj [experts, 2 · width, hidden]   gate above up
///     ….experts.down_proj    [experts, hidden, width]
///
/// Every expert's matrix is a contiguous part of it, so that nothing is copied: the tensor is
/// replaced by its parts under the names of per-expert checkpoints. This is how `transformers` 5
/// keeps experts in memory.
struct FusedExperts {
  struct Slice: Equatable {
    let name: String
    let shape: [Int]
    /// In elements of the fused tensor.
    let offset: Int
  }

  let architecture: ModelConfiguration.Architecture

  /// The matrices that a tensor consists of; nil if it is not a fused one.
  func slices(of tensor: TensorInfo) -> [Slice]? {
    guard tensor.shape.count == 3, tensor.elementCount > 0,
      let dot = tensor.name.lastIndex(of: ".")
    else { return nil }
    let stem = String(tensor.name[..<dot])
    guard stem.hasSuffix(".experts") else { return nil }
    let (experts, rows, columns) = (tensor.shape[0], tensor.shape[1], tensor.shape[2])
    let parts: [(name: String, rows: Int)]
    switch tensor.name[dot...] {
    case ".gate_up_proj" where rows.isMultiple(of: 2):
      parts = [("gate_proj", rows / 2), ("up_proj", rows / 2)]
    case ".down_proj": parts = [("down_proj", rows)]
    default: return nil
    }
    var offset = 0
    return (0..<experts).flatMap { expert in
      parts.map { part in
        defer { offset += part.rows * columns }
        return Slice(
          name: perExpertName("\(stem).\(expert).\(part.name).weight"),
          shape: [part.rows, columns], offset: offset)
      }
    }
  }

  /// The name that a per-expert checkpoint of this family uses; Mixtral's differ from those in memory.
  func perExpertName(_ name: String) -> String {
    guard architecture == .mixtral else { return name }
    let mixtral = [
      "mlp": "block_sparse_moe", "gate_proj": "w1", "up_proj": "w3", "down_proj": "w2",
    ]
    return name.split(separator: ".", omittingEmptySubsequences: false)
      .map { mixtral[String($0)] ?? String($0) }.joined(separator: ".")
  }
}
