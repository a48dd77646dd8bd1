import Checkpoints
import MoEModels
import Tensors

/// Tokens whose probability is asked for, given the tokens before them.
struct TokenQuery: Sendable {
  /// Position in the sequence whose prediction is read.
  let position: Int
  /// The token that may follow it.
  let token: Int32
}

/// Negative log-likelihoods of tokens after many sequences.
struct TokenLosses {
  /// For each sequence and query: −ln p(token | sequence up to position), nats.
  let sequences: [[Double]]
  /// For each sequence and query: whether no other token is likelier, and none before it as likely.
  let isLikeliest: [[Bool]]

  /// Sends the sequences through the model in groups whose activations fit in memory.
  ///
  /// - Parameters:
  ///   - sequences: Token ids.
  ///   - queries: What is asked of each sequence.
  ///   - source: The model.
  ///   - precision: Of the forward pass.
  ///   - progress: Fraction done, 0…1, called after every layer of every group.
  /// - Throws: What the model throws.
  init(
    of sequences: [[Int32]], queries: [[TokenQuery]], source: any WeightSource,
    precision: Precision, progress: (Double) -> Void
  ) throws {
    precondition(sequences.count == queries.count, "\(sequences.count), \(queries.count)")
    // A quarter of a gigabyte of residual stream at a time.
    let limit = max(1, (1 << 26) / source.configuration.hiddenSize)
    let groups = Self.groups(of: sequences, tokens: limit)
    let layers = Double(source.configuration.layerCount + 1)
    var (result, likeliest): ([[Double]], [[Bool]]) = ([], [])
    result.reserveCapacity(sequences.count)
    for (index, group) in groups.enumerated() {
      let pass = try ForwardPass(
        Array(sequences[group]), source: source, precision: precision)
      try pass.runLayers {
        progress((Double(index) + Double($0) / layers) / Double(groups.count))
      }
      let answers = try Self.losses(
        lengths: sequences[group].map(\.count), queries: Array(queries[group]), pass)
      result += answers.losses
      likeliest += answers.isLikeliest
      progress(Double(index + 1) / Double(groups.count))
    }
    self.sequences = result
    isLikeliest = likeliest
  }

  private static func groups(of sequences: [[Int32]], tokens limit: Int) -> [Range<Int>] {
    var groups: [Range<Int>] = []
    var (start, tokens) = (0, 0)
    for (index, sequence) in sequences.enumerated() {
      if tokens > 0, tokens + sequence.count > limit {
        groups.append(start..<index)
        (start, tokens) = (index, 0)
      }
      tokens += sequence.count
    }
    if start < sequences.count { groups.append(start..<sequences.count) }
    return groups
  }

  /// Answers by row: the queries of one row share its normalizing sum.
  private static func losses(
    lengths: [Int], queries: [[TokenQuery]], _ pass: ForwardPass
  ) throws -> (losses: [[Double]], isLikeliest: [[Bool]]) {
    var rowQueries = [[(sequence: Int, query: Int, token: Int32)]](
      repeating: [], count: lengths.reduce(0, +))
    var first = 0
    for (sequence, asked) in queries.enumerated() {
      for (index, query) in asked.enumerated() {
        precondition(query.position < lengths[sequence], "query behind the sequence")
        rowQueries[first + query.position].append((sequence, index, query.token))
      }
      first += lengths[sequence]
    }
    var losses = queries.map { [Double](repeating: 0, count: $0.count) }
    var likeliest = queries.map { [Bool](repeating: false, count: $0.count) }
    let vocabulary = pass.source.configuration.vocabularySize
    try pass.forEachLogits { first, rows, logits in
      var sums = [Double](repeating: 0, count: rows)
      sums.withUnsafeMutableBufferPointer { sums in
        // SAFETY: every chunk writes its own sums.
        nonisolated(unsafe) let (sums, logits) = (sums, logits)
        let asked = rowQueries[first..<first + rows].map { !$0.isEmpty }
        forEachChunk(of: rows, size: 16) { range in
          for row in range where asked[row] {
            sums[row] = VectorMath.logSumExp(logits + row * vocabulary, count: vocabulary)
          }
        }
      }
      for row in 0..<rows {
        let rowLogits = logits + row * vocabulary
        for asked in rowQueries[first + row] {
          let token = Int(asked.token)
          losses[asked.sequence][asked.query] = sums[row] - Double(rowLogits[token])
          likeliest[asked.sequence][asked.query] = isFirstMaximum(
            token, of: rowLogits, count: vocabulary)
        }
      }
    }
    return (losses, likeliest)
  }

  /// Ends at the first larger value, which is soon unless the token is among the likeliest.
  private static func isFirstMaximum(
    _ index: Int, of values: UnsafePointer<Float>, count: Int
  ) -> Bool {
    let value = values[index]
    return !value.isNaN && !(0..<index).contains { values[$0] >= value }
      && !(index + 1..<count).contains { values[$0] > value }
  }
}
