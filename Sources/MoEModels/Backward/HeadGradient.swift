import Checkpoints
import Foundation
import Tensors

/// Final norm, output head and cross-entropy, both ways.
struct HeadGradient {
  private let norm: RMSNorm
  private let head: Matrix

  init(source: some WeightSource) throws {
    let c = source.configuration
    norm = try RMSNorm(
      NormTensor("model.norm", c.hiddenSize), source: source, epsilon: c.normEpsilon)
    let name = c.tiesWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight"
    head = try source.matrix(name, rows: c.vocabularySize, columns: c.hiddenSize)
  }

  /// - Parameters:
  ///   - states: Residual stream behind the last layer, `[tokens, hidden]`.
  ///   - targets: The token that follows each; nil: none is scored there.
  ///   - weights: Of each token's negative log-likelihood in the loss.
  /// - Returns: Negative log-likelihood of every target, 0 where there is none, in nats; and
  ///   ∂loss/∂states.
  func slopes(
    of states: Matrix, targets: [Int32?], weights: [Float]
  ) -> (losses: [Double], states: Matrix) {
    var losses: [Double] = []
    var slopes: [Float] = []
    slopes.reserveCapacity(states.storage.count)
    // 4 MiB of logits at a time.
    let block = max(16, min(2048, (1 << 20) / head.rows))
    for start in stride(from: 0, to: states.rows, by: block) {
      let range = start..<min(start + block, states.rows)
      let part = Matrix(
        rows: range.count, columns: states.columns,
        storage: Array(
          states.storage[range.lowerBound * states.columns..<range.upperBound * states.columns]))
      let (loss, slope) = blockSlopes(
        of: part, targets: targets[range], weights: weights[range])
      losses += loss
      slopes += slope.storage
    }
    return (losses, Matrix(rows: states.rows, columns: states.columns, storage: slopes))
  }

  private func blockSlopes(
    of states: Matrix, targets: ArraySlice<Int32?>, weights: ArraySlice<Float>
  ) -> (losses: [Double], states: Matrix) {
    let normalized = norm.outputs(of: states)
    var logits = normalized.multiplied(byTransposed: head)
    let vocabulary = head.rows
    var losses: [Double] = []
    logits.storage.withUnsafeMutableBufferPointer { logits in
      guard let base = logits.baseAddress else { return }
      for (row, (target, weight)) in zip(targets, weights).enumerated() {
        let values = base + row * vocabulary
        guard let target else {
          values.update(repeating: 0, count: vocabulary)
          losses.append(0)
          continue
        }
        losses.append(
          VectorMath.logSumExp(values, count: vocabulary) - Double(values[Int(target)]))
        VectorMath.softmax(values, count: vocabulary)
        values[Int(target)] -= 1
        for index in 0..<vocabulary { values[index] *= weight }
      }
    }
    return (losses, norm.slopes(of: logits.multiplied(by: head), at: states).input)
  }
}
