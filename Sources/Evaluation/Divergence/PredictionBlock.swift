import Foundation
import Tensors

/// What the full-precision model predicts at some scored tokens: the k largest log-probabilities, and
/// the mass of all others together.
///
/// Divergence from it is Σ_{top k} p ln(p/q) + P_tail · ln(P_tail / Q_tail), P_tail and Q_tail being the
/// masses outside of the top k. By the log-sum inequality this is at most KL(P_full ‖ P): what is lost
/// is the divergence within the tail, and nothing if k is the whole vocabulary.
struct PredictionBlock: Sendable {
  let vocabulary: Int
  /// Tokens kept at every position.
  let topK: Int
  /// Tokens by falling probability, `[positions, topK]`; empty if all of the vocabulary is kept, which
  /// then stands in its own order.
  var tokens: [Int32]
  /// ln p, `[positions, topK]`.
  var logProbabilities: [Float]
  /// ln of the mass of the other tokens, `[positions]`; empty if there are none.
  var logTails: [Float]
  /// The likeliest token; the first of equals.
  var likeliest: [Int32]
  /// The true token, and its ln p.
  var targets: [Int32]
  var targetLogProbabilities: [Float]
  var routes: [LayerRoutes]

  var count: Int { targets.count }
  var isWhole: Bool { topK == vocabulary }

  /// Reads the predictions of a pass.
  ///
  /// - Throws: What reading weights throws.
  init(of pass: ScoredPass, topK limit: Int) throws {
    let vocabulary = pass.vocabulary
    let topK = min(limit, vocabulary)
    let (positions, isWhole) = (pass.targets.count, topK == vocabulary)
    var tokens = [Int32](repeating: 0, count: isWhole ? 0 : positions * topK)
    var logProbabilities = [Float](repeating: 0, count: positions * topK)
    var logTails = [Float](repeating: 0, count: isWhole ? 0 : positions)
    var likeliest = [Int32](repeating: 0, count: positions)
    var targetLogs = [Float](repeating: 0, count: positions)
    let targets = pass.targets
    try tokens.withUnsafeMutableBufferPointer { tokens in
      try logProbabilities.withUnsafeMutableBufferPointer { logs in
        try logTails.withUnsafeMutableBufferPointer { tails in
          try likeliest.withUnsafeMutableBufferPointer { likeliest in
            try targetLogs.withUnsafeMutableBufferPointer { targetLogs in
              // SAFETY: every position writes its own rows.
              nonisolated(unsafe) let out = (tokens, logs, tails, likeliest, targetLogs)
              try pass.forEachPosition { position, logits in
                let sum = VectorMath.logSumExp(logits, count: vocabulary)
                out.4[position] = Float(Double(logits[Int(targets[position])]) - sum)
                guard !isWhole else {
                  for token in 0..<vocabulary {
                    out.1[position * topK + token] = Float(Double(logits[token]) - sum)
                  }
                  out.3[position] = Int32(firstMaximum(of: logits, count: vocabulary))
                  return
                }
                let top = LargestValues.indices(of: logits, count: vocabulary, limit: topK)
                for (place, token) in top.enumerated() {
                  out.0[position * topK + place] = token
                  out.1[position * topK + place] = Float(Double(logits[Int(token)]) - sum)
                  logits[Int(token)] = masked
                }
                out.2[position] = Float(VectorMath.logSumExp(logits, count: vocabulary) - sum)
                out.3[position] = top[0]
              }
            }
          }
        }
      }
    }
    self.init(
      vocabulary: vocabulary, topK: topK, tokens: tokens, logProbabilities: logProbabilities,
      logTails: logTails, likeliest: likeliest, targets: targets,
      targetLogProbabilities: targetLogs, routes: pass.routes)
  }

  init(
    vocabulary: Int, topK: Int, tokens: [Int32], logProbabilities: [Float], logTails: [Float],
    likeliest: [Int32], targets: [Int32], targetLogProbabilities: [Float], routes: [LayerRoutes]
  ) {
    (self.vocabulary, self.topK, self.tokens) = (vocabulary, topK, tokens)
    (self.logProbabilities, self.logTails, self.likeliest) = (logProbabilities, logTails, likeliest)
    (self.targets, self.targetLogProbabilities) = (targets, targetLogProbabilities)
    self.routes = routes
  }

  /// Compares a pass of another model over the same windows.
  ///
  /// - Throws: What reading weights throws.
  func divergences(of pass: ScoredPass) throws -> TokenDivergences {
    precondition(
      pass.targets == targets && pass.vocabulary == vocabulary, "a pass over other windows")
    var result = TokenDivergences(count: count)
    try result.withWriter { writer in
      try pass.forEachPosition { position, logits in
        let sum = VectorMath.logSumExp(logits, count: vocabulary)
        let loss = sum - Double(logits[Int(targets[position])])
        let reference = Double(targetLogProbabilities[position])
        let first = firstMaximum(of: logits, count: vocabulary)
        writer.write(
          position, loss: loss, reference: reference,
          agrees: first == Int(likeliest[position]), confidence: logConfidence(at: position),
          // Last, for it overwrites the logits.
          divergence: divergence(at: position, logits, sum: sum))
      }
    }
    return result
  }

  /// ln p of the likeliest token.
  private func logConfidence(at position: Int) -> Double {
    let place = isWhole ? Int(likeliest[position]) : 0
    return Double(logProbabilities[position * topK + place])
  }

  private func divergence(
    at position: Int, _ logits: UnsafeMutablePointer<Float>, sum: Double
  ) -> Double {
    var total = 0.0
    for place in 0..<topK {
      let index = position * topK + place
      let token = isWhole ? place : Int(tokens[index])
      let logP = Double(logProbabilities[index])
      total += exp(logP) * (logP - (Double(logits[token]) - sum))
      if !isWhole { logits[token] = masked }
    }
    guard !isWhole else { return total }
    let logTail = Double(logTails[position])
    return total
      + exp(logTail) * (logTail - (VectorMath.logSumExp(logits, count: vocabulary) - sum))
  }
}

/// A logit whose exponential is 0.
private let masked: Float = -1e30

private func firstMaximum(of values: UnsafePointer<Float>, count: Int) -> Int {
  var best = 0
  for index in 1..<max(count, 1) where values[index] > values[best] { best = index }
  return best
}

extension TokenDivergences {
  /// Where threads put the tokens that are theirs.
  fileprivate struct Writer: @unchecked Sendable {
    // SAFETY: every position is written by one thread, to its own elements.
    let divergence, change, confidence, losses, references: UnsafeMutableBufferPointer<Float>
    let agrees: UnsafeMutableBufferPointer<Bool>

    func write(
      _ position: Int, loss: Double, reference: Double, agrees isSame: Bool, confidence log: Double,
      divergence value: Double
    ) {
      divergence[position] = Float(value)
      change[position] = Float(exp(-loss) - exp(reference))
      confidence[position] = Float(exp(log))
      losses[position] = Float(loss)
      references[position] = Float(-reference)
      agrees[position] = isSame
    }
  }

  fileprivate mutating func withWriter(_ body: (Writer) throws -> Void) throws {
    try divergence.withUnsafeMutableBufferPointer { divergence in
      try probabilityChange.withUnsafeMutableBufferPointer { change in
        try confidence.withUnsafeMutableBufferPointer { confidence in
          try losses.withUnsafeMutableBufferPointer { losses in
            try referenceLosses.withUnsafeMutableBufferPointer { references in
              try agrees.withUnsafeMutableBufferPointer { agrees in
                try body(
                  Writer(
                    divergence: divergence, change: change, confidence: confidence, losses: losses,
                    references: references, agrees: agrees))
              }
            }
          }
        }
      }
    }
  }
}
