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
  ///   - sharingPrefixes: Whether neighbours that begin alike are computed together, and logits only
  ///     where they are asked for; sums of matrix products then run in another order.
  ///   - source: The model.
  ///   - precision: Of the forward pass.
  ///   - progress: Fraction done, 0…1.
  /// - Throws: What the model throws.
  init(
    of requests: [ContinuationTokens], sharingPrefixes: Bool, source: any WeightSource,
    precision: Precision, progress: (Double) -> Void
  ) throws {
    var inputs = DistinctInputs()
    let places = requests.map { inputs.add($0) }
    let (trees, queries, starts) = inputs.trees(sharingPrefixes: sharingPrefixes)
    forwardTokens = trees.reduce(0) { $0 + $1.count }
    let losses = try TokenLosses(
      trees: trees, queries: queries, skippingUnasked: sharingPrefixes, source: source,
      precision: precision, progress: progress)
    let answers = places.map { place in
      let (tree, start) = starts[place.sequence]
      return (tree, start + place.queries.lowerBound..<start + place.queries.upperBound)
    }
    logLikelihoods = answers.map { -losses.sequences[$0.0][$0.1].reduce(0, +) }
    isGreedy = answers.map { losses.isLikeliest[$0.0][$0.1].allSatisfy { $0 } }
  }
}

/// What goes through the model: the last token of a request predicts nothing and stays out, so that
/// continuations of one token share one sequence, their context.
private struct DistinctInputs {
  private var sequences: [[Int32]] = []
  private var queries: [[TokenQuery]] = []
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

  /// What goes through the model, what is asked of it, and for every sequence its tree and the first
  /// of its queries there.
  func trees(
    sharingPrefixes: Bool
  ) -> ([TokenTree], [[TokenQuery]], starts: [(tree: Int, query: Int)]) {
    guard sharingPrefixes else {
      return (
        sequences.map { TokenTree(trunk: $0) }, queries, sequences.indices.map { ($0, 0) }
      )
    }
    let shared = SharedPrefixes(sequences)
    var asked = [[TokenQuery]](repeating: [], count: shared.trees.count)
    var starts: [(Int, Int)] = []
    for (place, queries) in zip(shared.places, queries) {
      starts.append((place.tree, asked[place.tree].count))
      asked[place.tree] += queries.map {
        TokenQuery(position: place.row($0.position), token: $0.token)
      }
    }
    return (shared.trees, asked, starts)
  }
}
