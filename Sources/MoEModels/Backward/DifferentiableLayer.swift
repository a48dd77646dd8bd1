import Checkpoints
public import Tensors

/// A decoder layer that knows the way back: what a change of its weights or its input does to a loss.
///
/// In f32. Which experts tokens go to is taken as fixed. Activations of the tokens given are kept in
/// the ``Record`` between forward and backward, about 10 · tokens · hidden and, for every expert that
/// a token goes to, 3 · hidden + 3 · width floats.
public struct DifferentiableLayer {
  public let index: Int
  private let hidden: Int
  private let attentionNorm: (name: String, norm: RMSNorm)
  private let attention: AttentionGradient
  private let feedForwardNorm: (name: String, norm: RMSNorm)
  private let feedForward: FeedForwardGradient

  /// Loads the weights.
  ///
  /// - Parameters:
  ///   - index: Of the layer.
  ///   - source: Where its weights come from, quantized ones already widened.
  ///   - positions: Tokens of the longest sequence.
  /// - Throws: ``BackwardError``, and what reading weights throws.
  public init(_ index: Int, source: any WeightSource, positions: Int) throws {
    try self.init(
      index, source: source,
      rotary: RotaryEmbedding(source.configuration, positions: positions))
  }

  init(_ index: Int, source: any WeightSource, rotary: RotaryEmbedding) throws {
    let c = source.configuration
    let layout = c.layout(ofLayer: index)
    guard case .groupedQuery(let attentionLayout) = layout.attention else {
      throw BackwardError.latentAttention(layer: index)
    }
    (self.index, hidden) = (index, c.hiddenSize)
    let norm = { (tensor: NormTensor) in
      (tensor.weight, try RMSNorm(tensor, source: source, epsilon: c.normEpsilon))
    }
    attentionNorm = try norm(layout.attentionNorm)
    attention = try AttentionGradient(attentionLayout, source: source, rotary: rotary)
    feedForwardNorm = try norm(layout.feedForwardNorm)
    feedForward = try FeedForwardGradient(layout.feedForward, source: source)
  }

  /// What the way back needs of the way forth.
  public struct Record {
    let lengths: [Int]
    let input: Matrix
    let attention: AttentionGradient.Record
    /// Residual stream behind attention.
    let middle: Matrix
    let feedForward: FeedForwardGradient.Record
    /// What the feed-forward block adds to the residual stream, `[tokens, hidden]`.
    public let feedForwardOutput: Matrix
    /// The layer's output, `[tokens, hidden]`.
    public let output: Matrix
  }

  /// Sends whole sequences through the layer.
  ///
  /// - Parameters:
  ///   - x: Residual stream, `[tokens, hidden]`, sequence after sequence.
  ///   - lengths: Tokens of each sequence, together `tokens`; they do not see each other.
  /// - Returns: The output, and what ``slopes(of:_:observe:)`` wants.
  public func forward(_ x: Matrix, lengths: [Int]) -> Record {
    precondition(
      x.columns == hidden && lengths.reduce(0, +) == x.rows,
      "[\(x.rows), \(x.columns)] for \(lengths.count) sequences of \(hidden) channels")
    let attended = attention.record(
      of: attentionNorm.norm.outputs(of: x), lengths: lengths)
    var middle = x
    middle.add(attended.output)
    var added = Matrix(rows: x.rows, columns: hidden)
    let fed = feedForward.record(of: feedForwardNorm.norm.outputs(of: middle), addingTo: &added)
    var output = middle
    output.add(added)
    return Record(
      lengths: lengths, input: x, attention: attended, middle: middle, feedForward: fed,
      feedForwardOutput: added, output: output)
  }

  /// What attention adds to the residual stream.
  ///
  /// - Parameters:
  ///   - x: Residual stream, `[tokens, hidden]`, sequence after sequence.
  ///   - lengths: Tokens of each sequence.
  /// - Returns: `[tokens, hidden]`.
  public func attentionOutput(of x: Matrix, lengths: [Int]) -> Matrix {
    attention.record(of: attentionNorm.norm.outputs(of: x), lengths: lengths).output
  }

  /// The way back.
  ///
  /// - Parameters:
  ///   - slope: ∂loss/∂output, `[tokens, hidden]`.
  ///   - record: Of the same tokens.
  ///   - observe: Is shown every projection that a token went through, the router and a shared
  ///     expert's gate too, each once, from the output to the input.
  /// - Returns: Slopes of the input and of norms.
  /// - Throws: What `observe` throws.
  public func slopes(
    of slope: Matrix, _ record: Record, observe: (LinearSlope) throws -> Void
  ) rethrows -> LayerSlopes {
    precondition(
      slope.rows == record.output.rows && slope.columns == hidden,
      "slopes [\(slope.rows), \(slope.columns)] of [\(record.output.rows), \(hidden)]")
    var norms: [String: [Float]] = [:]
    let fed = try feedForward.slope(of: slope, record.feedForward, observe: observe)
    let (middle, feedForwardWeight) = feedForwardNorm.norm.slopes(of: fed, at: record.middle)
    norms[feedForwardNorm.name] = feedForwardWeight
    var behind = slope
    behind.add(middle)
    let attended = try attention.slope(
      of: behind, record.attention, lengths: record.lengths, norms: &norms, observe: observe)
    let (input, attentionWeight) = attentionNorm.norm.slopes(of: attended, at: record.input)
    norms[attentionNorm.name] = attentionWeight
    behind.add(input)
    return LayerSlopes(input: behind, norms: norms)
  }

  /// The way back with the slopes of all weights at hand.
  ///
  /// - Parameters:
  ///   - slope: ∂loss/∂output, `[tokens, hidden]`.
  ///   - record: Of the same tokens.
  /// - Returns: Slopes of the input and of norms; and ∂loss/∂W `[out, in]` by the name of the tensor,
  ///   without those of experts that no token went to.
  public func weightSlopes(
    of slope: Matrix, _ record: Record
  ) -> (layer: LayerSlopes, weights: [String: Matrix]) {
    var weights: [String: Matrix] = [:]
    let layer = slopes(of: slope, record) { weights[$0.tensor] = $0.weight }
    return (layer, weights)
  }
}
