import Checkpoints
import Tensors

/// Softmax over all experts in f32, the top-k of it, renormalized to sum 1 if the family does so.
struct Router {
  /// W, shape `[experts, hidden]`; stays in f32 because near-ties decide which experts run.
  private let weights: Linear
  private let routing: MixtureConfiguration

  /// Experts.
  var count: Int { weights.rows }
  /// Input channels.
  var columns: Int { weights.columns }
  var expertsPerToken: Int { routing.expertsPerToken }
  /// Of the weights.
  var bytes: Int { weights.bytes }

  private let softmax = ScratchBuffer<Float>()

  init(_ layout: MixtureLayout, source: some WeightSource) throws {
    weights = try Linear([layout.router], source: source, precision: .f32)
    routing = layout.routing
  }

  /// Routes the normalized residual stream `x`, `[tokens, hidden]`.
  func route(
    _ x: UnsafePointer<Float>, tokens: Int, scratch: ScratchBuffer<UInt16>,
    keepingProbabilities: Bool = false
  ) -> Routing {
    let (experts, topK) = (weights.rows, routing.expertsPerToken)
    let p = probabilities(tokens: tokens)
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
      let top = largest(row, among: candidates(row, count: experts), count: topK)
      let sum = routing.renormalizes ? top.reduce(0) { $0 + row[$1] } : 1
      for expert in top {
        chosen.append(expert)
        before.append(row[expert])
        after.append(row[expert] / sum * routing.weightScale)
      }
    }
    return Routing(
      tokens: tokens, topK: topK, experts: chosen, weightsBefore: before, weightsAfter: after,
      probabilities: keepingProbabilities
        ? Array(UnsafeBufferPointer(start: p, count: tokens * experts)) : [])
  }

  /// Where ``route(_:tokens:scratch:)`` leaves the softmax over all experts, `[tokens, experts]`.
  func probabilities(tokens: Int) -> UnsafeMutablePointer<Float> {
    softmax.reserve(LinearWeights.paddedRows(tokens) * weights.rows)
  }

  /// All experts, or those of the groups with the largest probabilities.
  private func candidates(_ row: UnsafePointer<Float>, count: Int) -> [Range<Int>] {
    guard let groups = routing.groups else { return [0..<count] }
    let size = count / groups.count
    let best = (0..<groups.count).map { group in
      (group * size..<(group + 1) * size).reduce(-Float.infinity) { max($0, row[$1]) }
    }
    let chosen = best.withUnsafeBufferPointer { best in
      best.baseAddress.map { largest($0, among: [0..<groups.count], count: groups.chosen) } ?? []
    }
    return chosen.sorted().map { $0 * size..<($0 + 1) * size }
  }

  /// Indices of the largest values, falling, ties by index.
  private func largest(
    _ row: UnsafePointer<Float>, among candidates: [Range<Int>], count: Int
  ) -> [Int] {
    var top: [Int] = []
    top.reserveCapacity(count + 1)
    for index in candidates.joined() {
      let position = top.firstIndex { row[index] > row[$0] } ?? top.count
      guard position < count else { continue }
      top.insert(index, at: position)
      if top.count > count { top.removeLast() }
    }
    return top
  }
}
