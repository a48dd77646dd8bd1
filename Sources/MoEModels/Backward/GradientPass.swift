import Checkpoints
public import Foundation
public import Tensors

/// The gradient of a model's loss, layer by layer from the last to the first, in f32.
///
/// The way forth leaves the input of every layer in a file; the way back loads one layer at a time,
/// computes its activations again for a batch of sequences and goes through it. In memory are one
/// layer, one batch's activations, and two numbers for every token and channel.
public final class GradientPass {
  /// What the loss is: a sum over sequences of their negative log-likelihoods in nats.
  public enum Reduction: Sendable {
    /// Of the mean over a sequence's predicted tokens, as training and SqueezeLLM have it.
    case meanOfSequence
    /// Of the sum over them.
    case sum
  }

  /// Sequences that go through a layer together.
  public struct Batch: Sendable {
    /// Index of the first token among all.
    public let first: Int
    /// Tokens of every sequence, counted from the first of the batch.
    public let sequences: [Range<Int>]

    public var tokens: Int { sequences.last?.upperBound ?? 0 }
  }

  public let source: any WeightSource
  /// Mean negative log-likelihood of every sequence's predicted tokens, nats.
  public let losses: [Double]
  /// ∂loss/∂(residual stream) behind the layer that comes next, `[tokens, hidden]`.
  public private(set) var slopes: Matrix

  private let batches: [Batch]
  private let states: StateFile
  private let rotary: RotaryEmbedding

  /// Goes forth through the whole model, and back to the output of its last layer.
  ///
  /// - Parameters:
  ///   - sequences: Token ids.
  ///   - source: The model.
  ///   - reduction: What the loss is.
  ///   - folder: Gets a file of `layers · tokens · hidden` floats while the pass lives.
  ///   - batchTokens: About how many tokens go through a layer together; a sequence is not divided.
  ///   - progress: Layers done.
  /// - Throws: ``BackwardError``, ``ForwardPassError``, what reading weights throws.
  public init(
    _ sequences: [[Int32]], source: any WeightSource, reduction: Reduction, scratch folder: URL,
    batchTokens: Int = 2048, progress: (Int) throws -> Void = { _ in }
  ) throws {
    let c = source.configuration
    try Self.check(c)
    let lengths = sequences.map(\.count)
    self.source = source
    batches = Self.batches(of: lengths, tokens: batchTokens)
    rotary = RotaryEmbedding(c, positions: lengths.max() ?? 0)
    let pass = try ForwardPass(
      sequences, source: source, precision: .f32, batchTokens: batchTokens)
    states = try StateFile(in: folder, tokens: lengths.reduce(0, +), width: c.hiddenSize)
    for layer in 0..<c.layerCount {
      try states.write(pass.states, at: layer)
      try pass.runLayer(layer, tap: nil)
      try progress(layer + 1)
    }
    let targets: [Int32?] = sequences.flatMap { $0.dropFirst().map { $0 } + [nil] }
    let weights = sequences.flatMap { sequence in
      [Float](
        repeating: reduction == .sum ? 1 : 1 / Float(max(sequence.count - 1, 1)),
        count: sequence.count)
    }
    let (tokenLosses, slopes) = try HeadGradient(source: source).slopes(
      of: pass.states, targets: targets, weights: weights)
    self.slopes = slopes
    var first = 0
    losses = lengths.map { length in
      defer { first += length }
      return tokenLosses[first..<first + length].reduce(0, +) / Double(max(length - 1, 1))
    }
  }

  /// Goes back through a layer; ``slopes`` are then those of its input.
  ///
  /// - Parameters:
  ///   - index: Of the layer, which must be the next one from above.
  ///   - observe: Is shown every projection of every batch.
  ///   - norms: Is given the slopes of norms' weights by name, batch by batch.
  /// - Throws: What reading weights and states, or `observe`, throws.
  public func goBack(
    through index: Int, observe: (LinearSlope, Batch) throws -> Void,
    norms: ([String: [Float]]) -> Void = { _ in }
  ) throws {
    let layer = try DifferentiableLayer(index, source: source, rotary: rotary)
    let width = slopes.columns
    for batch in batches {
      let rows = batch.first..<batch.first + batch.tokens
      let record = layer.forward(
        try states.rows(rows, at: index), lengths: batch.sequences.map(\.count))
      let range = rows.lowerBound * width..<rows.upperBound * width
      let above = Matrix(
        rows: rows.count, columns: width, storage: Array(slopes.storage[range]))
      let below = try layer.slopes(of: above, record) { try observe($0, batch) }
      norms(below.norms)
      slopes.storage.replaceSubrange(range, with: below.input.storage)
    }
  }

  /// Refuses before anything is computed.
  private static func check(_ c: ModelConfiguration) throws(BackwardError) {
    for layer in 0..<c.layerCount {
      guard case .groupedQuery = c.layout(ofLayer: layer).attention else {
        throw .latentAttention(layer: layer)
      }
    }
  }

  private static func batches(of lengths: [Int], tokens: Int) -> [Batch] {
    var batches: [Batch] = []
    var (first, count) = (0, 0)
    var current: [Range<Int>] = []
    for length in lengths {
      if !current.isEmpty, count + length > tokens {
        batches.append(Batch(first: first, sequences: current))
        (first, count, current) = (first + count, 0, [])
      }
      current.append(count..<count + length)
      count += length
    }
    return current.isEmpty ? batches : batches + [Batch(first: first, sequences: current)]
  }
}
