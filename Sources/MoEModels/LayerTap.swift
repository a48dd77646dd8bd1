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
  /// Softmax probabilities of all experts, shape `[tokens, experts]`; empty unless the tap wants them.
  public var probabilities: [Float] = []

  /// A token that went to an expert, and the weight of the expert's output.
  struct Assignment {
    let token: Int
    let weight: Float
  }

  /// The assignments of every expert, tokens ascending.
  ///
  /// - Parameters:
  ///   - count: Of experts.
  ///   - all: Whether every expert gets every token, with weight 0 if it is routed elsewhere.
  /// - Returns: One list an expert.
  func byExpert(count: Int, all: Bool = false) -> [[Assignment]] {
    let start = all ? Self.everyToken(tokens, weight: 0) : []
    var result = [[Assignment]](repeating: start, count: count)
    for (slot, expert) in experts.enumerated() {
      let assignment = Assignment(token: slot / topK, weight: weightsAfter[slot])
      if all {
        result[expert][assignment.token] = assignment
      } else {
        result[expert].append(assignment)
      }
    }
    return result
  }

  /// The tokens of every expert, ascending: those behind the rows that an expert is shown, where
  /// ``LayerTap/wantsAllTokens`` is false.
  public var tokensByExpert: [[Int]] {
    byExpert(count: (experts.max() ?? -1) + 1).map { $0.map(\.token) }
  }

  /// All tokens with one weight.
  static func everyToken(_ tokens: Int, weight: Float = 1) -> [Assignment] {
    (0..<tokens).map { Assignment(token: $0, weight: weight) }
  }
}

/// Is shown the inputs of a layer's projections while a batch goes through it.
public protocol LayerTap: AnyObject {
  /// Whether experts show the inputs of all tokens of the layer, also of those that are routed
  /// elsewhere; the layer's output is the same.
  var wantsAllTokens: Bool { get }
  /// Whether the routing it is shown holds the probabilities of all experts.
  var wantsRouterProbabilities: Bool { get }
  /// The input of a projection, valid during the call only.
  ///
  /// - Parameters:
  ///   - site: Which.
  ///   - x: `[rows, columns]`.
  ///   - rows: Tokens.
  ///   - columns: Channels.
  ///   - weights: In experts the routing weight of each row, 0 where it is routed elsewhere.
  func observe(
    _ site: InputSite, _ x: UnsafePointer<Float>, rows: Int, columns: Int, weights: [Float]?)
  /// The MoE block's output before it is added to the residual stream, `[rows, columns]`.
  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int)
  /// The residual stream before and what the MoE block adds to it, both `[rows, columns]`.
  func observe(
    residual x: UnsafePointer<Float>, moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int)
  func observe(_ routing: Routing)
}

extension LayerTap {
  public var wantsRouterProbabilities: Bool { false }
  public func observe(
    residual x: UnsafePointer<Float>, moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int
  ) {}
}
