import Checkpoints
import MoEModels
import Tensors

/// Negative log-likelihoods of the tokens of many sequences.
struct TokenLosses {
  /// For each sequence: −ln p(token i | tokens before it) for i = 1…, nats.
  let sequences: [[Double]]

  /// Sends the sequences through the model in groups whose activations fit in memory.
  ///
  /// - Parameter progress: Fraction done, 0…1, called after every layer of every group.
  init(
    of sequences: [[Int32]], source: any WeightSource, precision: Precision,
    progress: (Double) -> Void
  ) throws {
    // A quarter of a gigabyte of residual stream at a time.
    let limit = max(1, (1 << 26) / source.configuration.hiddenSize)
    let groups = Self.groups(of: sequences, tokens: limit)
    let layers = Double(source.configuration.layerCount + 1)
    var result: [[Double]] = []
    result.reserveCapacity(sequences.count)
    for (index, group) in groups.enumerated() {
      let pass = try ForwardPass(group, source: source, precision: precision)
      try pass.runLayers {
        progress((Double(index) + Double($0) / layers) / Double(groups.count))
      }
      result += try Self.losses(of: group, pass)
      progress(Double(index + 1) / Double(groups.count))
    }
    self.sequences = result
  }

  private static func groups(of sequences: [[Int32]], tokens limit: Int) -> [[[Int32]]] {
    var groups: [[[Int32]]] = [[]]
    var tokens = 0
    for sequence in sequences {
      if tokens > 0, tokens + sequence.count > limit {
        groups.append([])
        tokens = 0
      }
      groups[groups.count - 1].append(sequence)
      tokens += sequence.count
    }
    return groups
  }

  private static func losses(of group: [[Int32]], _ pass: ForwardPass) throws -> [[Double]] {
    // What follows each token; the last of a sequence predicts nothing.
    let targets: [Int32] = group.flatMap { (sequence: [Int32]) -> [Int32] in
      sequence.dropFirst() + [-1]
    }
    let vocabulary = pass.source.configuration.vocabularySize
    var losses = [Double](repeating: 0, count: targets.count)
    try pass.forEachLogits { first, rows, logits in
      losses.withUnsafeMutableBufferPointer { losses in
        targets.withUnsafeBufferPointer { targets in
          // SAFETY: every chunk writes its own losses.
          nonisolated(unsafe) let (losses, targets, logits) = (losses, targets, logits)
          forEachChunk(of: rows, size: 16) { range in
            for row in range where targets[first + row] >= 0 {
              let values = logits + row * vocabulary
              losses[first + row] =
                VectorMath.logSumExp(values, count: vocabulary)
                - Double(values[Int(targets[first + row])])
            }
          }
        }
      }
    }
    var start = 0
    return group.map { sequence in
      defer { start += sequence.count }
      return Array(losses[start..<start + max(sequence.count - 1, 0)])
    }
  }
}
