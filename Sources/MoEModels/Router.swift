import Tensors

/// Softmax over all experts in f32, the top-k of it, renormalized to sum 1 if the family does so.
struct Router {
  /// W, shape `[experts, hidden]`; stays in f32 because near-ties decide which experts run.
  let weights: LinearWeights
  let topK: Int
  let renormalizes: Bool

  private let probabilities = ScratchBuffer<Float>()

  init(weights: LinearWeights, topK: Int, renormalizes: Bool) {
    self.weights = weights
    self.topK = topK
    self.renormalizes = renormalizes
  }

  /// Routes the normalized residual stream `x`, `[tokens, hidden]`.
  func route(
    _ x: UnsafePointer<Float>, tokens: Int, scratch: ScratchBuffer<UInt16>
  ) -> Routing {
    let experts = weights.rows
    let p = probabilities.reserve(LinearWeights.paddedRows(tokens) * experts)
    weights.apply(x, rows: tokens, to: p, scratch: scratch)
    var chosen: [Int] = []
    var before: [Float] = []
    var after: [Float] = []
    chosen.reserveCapacity(tokens * topK)
    before.reserveCapacity(tokens * topK)
    after.reserveCapacity(tokens * topK)
    for token in 0..<tokens {
      let row = p + token * experts
      VectorMath.softmax(row, count: experts)
      let top = largest(row, count: experts)
      let sum = renormalizes ? top.reduce(0) { $0 + row[$1] } : 1
      for expert in top {
        chosen.append(expert)
        before.append(row[expert])
        after.append(row[expert] / sum)
      }
    }
    return Routing(
      tokens: tokens, topK: topK, experts: chosen, weightsBefore: before, weightsAfter: after)
  }

  /// Indices of the top-k, by falling value, ties by index.
  private func largest(_ row: UnsafePointer<Float>, count: Int) -> [Int] {
    var top: [Int] = []
    top.reserveCapacity(topK + 1)
    for expert in 0..<count {
      let position = top.firstIndex { row[expert] > row[$0] } ?? top.count
      guard position < topK else { continue }
      top.insert(expert, at: position)
      if top.count > topK { top.removeLast() }
    }
    return top
  }
}
