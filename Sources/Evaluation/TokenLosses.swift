import Checkpoints
import MoEModels
import Tensors

/// Tokens whose probability is asked for, given the tokens before them.
struct TokenQuery: Sendable {
  /// Position in the sequence, or among the tree's tokens, whose prediction is read.
  let position: Int
  /// The token that may follow it.
  let token: Int32
}

/// Negative log-likelihoods of tokens after many sequences.
struct TokenLosses {
  /// For each sequence or tree and query: −ln p(token | sequence up to position), nats.
  let sequences: [[Double]]
  /// For each of these: whether no other token is likelier, and none before it as likely.
  let isLikeliest: [[Bool]]

  /// Sends sequences through the model, see ``init(trees:queries:source:precision:progress:)``.
  ///
  /// - Parameters:
  ///   - sequences: Token ids.
  ///   - queries: What is asked of each sequence.
  ///   - source: The model.
  ///   - precision: Of the forward pass.
  ///   - progress: Fraction done, 0…1.
  /// - Throws: What the model throws.
  init(
    of sequences: [[Int32]], queries: [[TokenQuery]], source: any WeightSource,
    precision: Precision, progress: (Double) -> Void
  ) throws {
    try self.init(
      trees: sequences.map { TokenTree(trunk: $0) }, queries: queries, source: source,
      precision: precision, progress: progress)
  }

  /// Sends trees through the model in groups whose activations fit in memory.
  ///
  /// - Parameters:
  ///   - trees: Token ids.
  ///   - queries: What is asked of each tree.
  ///   - skippingUnasked: Whether no logits are computed where nothing is asked; the products of the
  ///     others then have other neighbours, which may change their last bit.
  ///   - source: The model.
  ///   - precision: Of the forward pass.
  ///   - progress: Fraction done, 0…1, called after every layer of every group.
  /// - Throws: What the model throws.
  init(
    trees: [TokenTree], queries: [[TokenQuery]], skippingUnasked: Bool = false,
    source: any WeightSource, precision: Precision, progress: (Double) -> Void
  ) throws {
    precondition(trees.count == queries.count, "\(trees.count), \(queries.count)")
    // A quarter of a gigabyte of residual stream at a time.
    let limit = max(1, (1 << 26) / source.configuration.hiddenSize)
    let groups = Self.groups(of: trees.map(\.count), tokens: limit)
    let layers = Double(source.configuration.layerCount + 1)
    var (result, likeliest): ([[Double]], [[Bool]]) = ([], [])
    result.reserveCapacity(trees.count)
    for (index, group) in groups.enumerated() {
      let pass = try ForwardPass(
        trees: Array(trees[group]), source: source, precision: precision)
      try pass.runLayers {
        progress((Double(index) + Double($0) / layers) / Double(groups.count))
      }
      let answers = try Self.losses(
        lengths: trees[group].map(\.count), queries: Array(queries[group]), pass,
        skippingUnasked: skippingUnasked)
      result += answers.losses
      likeliest += answers.isLikeliest
      progress(Double(index + 1) / Double(groups.count))
    }
    sequences = result
    isLikeliest = likeliest
  }

  private static func groups(of lengths: [Int], tokens limit: Int) -> [Range<Int>] {
    var groups: [Range<Int>] = []
    var (start, tokens) = (0, 0)
    for (index, length) in lengths.enumerated() {
      if tokens > 0, tokens + length > limit {
        groups.append(start..<index)
        (start, tokens) = (index, 0)
      }
      tokens += length
    }
    if start < lengths.count { groups.append(start..<lengths.count) }
    return groups
  }

  /// Answers by row: the queries of one row share its normalizing sum.
  private static func losses(
    lengths: [Int], queries: [[TokenQuery]], _ pass: ForwardPass, skippingUnasked: Bool
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
    let wanted = skippingUnasked ? rowQueries.indices.filter { !rowQueries[$0].isEmpty } : nil
    if let wanted { rowQueries = wanted.map { rowQueries[$0] } }
    try pass.forEachLogits(of: wanted) { first, rows, logits in
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
