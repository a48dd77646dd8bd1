import Checkpoints
import MoEModels
import Tensors

/// log p of continuations, and whether greedy decoding would write them.
struct ContinuationScores {
  /// Σ log p of the continuation's tokens, nats.
  let logLikelihoods: [Double]
  /// Whether every token of the continuation is the likeliest in its place.
  let isGreedy: [Bool]
  /// Tokens that went through the model.
  let forwardTokens: Int

  /// Sends each distinct sequence through the model once.
  ///
  /// - Parameters:
  ///   - requests: Token sequences and how many of their last tokens are scored.
  ///   - source: The model.
  ///   - precision: Of the forward pass.
  ///   - progress: Fraction done, 0…1.
  /// - Throws: What the model throws.
  init(
    of requests: [ContinuationTokens], source: any WeightSource, precision: Precision,
    progress: (Double) -> Void
  ) throws {
    var inputs = DistinctInputs()
    let places = requests.map { inputs.add($0) }
    forwardTokens = inputs.sequences.reduce(0) { $0 + $1.count }
    let losses = try TokenLosses(
      of: inputs.sequences, queries: inputs.queries, source: source, precision: precision,
      progress: progress)
    logLikelihoods = places.map { -losses.sequences[$0.sequence][$0.queries].reduce(0, +) }
    isGreedy = places.map { losses.isLikeliest[$0.sequence][$0.queries].allSatisfy { $0 } }
  }
}

/// What goes through the model: the last token of a request predicts nothing and stays out, so that
/// continuations of one token share one sequence, their context.
private struct DistinctInputs {
  private(set) var sequences: [[Int32]] = []
  private(set) var queries: [[TokenQuery]] = []
  private var indices: [[Int32]: Int] = [:]

  /// - Returns: The sequence, and which of its queries score this request.
  mutating func add(_ request: ContinuationTokens) -> (sequence: Int, queries: Range<Int>) {
    let input = Array(request.tokens.dropLast())
    let index = indices[input] ?? sequences.count
    if index == sequences.count {
      indices[input] = index
      sequences.append(input)
      queries.append([])
    }
    let first = queries[index].count
    for position in request.tokens.count - request.scored..<request.tokens.count {
      queries[index].append(
        TokenQuery(position: position - 1, token: request.tokens[position]))
    }
    return (index, first..<queries[index].count)
  }
}
