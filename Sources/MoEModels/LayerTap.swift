/// Which experts the tokens of a batch went to.
public struct Routing: Sendable {
  /// Tokens in the batch.
  public let tokens: Int
  /// Experts per token.
  public let topK: Int
  /// Chosen experts, shape `[tokens, topK]`, by falling probability.
  public let experts: [Int]
  /// Softmax probability over all experts, shape `[tokens, topK]`.
  public let weightsBefore: [Float]
  /// Weight applied to the expert's output, shape `[tokens, topK]`.
  public let weightsAfter: [Float]

  /// A token that went to an expert, and the weight of the expert's output.
  struct Assignment {
    let token: Int
    let weight: Float
  }

  /// The assignments of every expert, tokens ascending.
  func byExpert(count: Int) -> [[Assignment]] {
    var result = [[Assignment]](repeating: [], count: count)
    for (slot, expert) in experts.enumerated() {
      result[expert].append(Assignment(token: slot / topK, weight: weightsAfter[slot]))
    }
    return result
  }
}

/// Is shown the inputs of a layer's projections while a batch goes through it.
public protocol LayerTap: AnyObject {
  /// The input of a projection, `[rows, columns]` f32, valid during the call only.
  func observe(_ site: InputSite, _ x: UnsafePointer<Float>, rows: Int, columns: Int)
  /// The MoE block's output before it is added to the residual stream, `[rows, columns]`.
  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int)
  func observe(_ routing: Routing)
}
