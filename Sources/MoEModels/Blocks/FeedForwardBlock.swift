import Foundation
import Tensors

/// What a layer does to each token alone, from the normalized residual stream to what is added.
protocol FeedForwardBlock: AnyObject {
  /// Weights that one token reads, in bytes; where experts differ, the mean over them.
  var bytes: Double { get }
  /// - Parameters:
  ///   - n: Normalized residual stream, `[tokens, hidden]`, with room for padded rows.
  ///   - tokens: How many.
  ///   - y: `[tokens, hidden]`, the output is added to it.
  ///   - tap: Is shown routing and the inputs of the projections.
  func apply(
    _ n: UnsafePointer<Float>, tokens: Int, addingTo y: UnsafeMutablePointer<Float>,
    tap: (any LayerTap)?)
}

/// One MLP for all tokens.
final class DenseBlock: FeedForwardBlock {
  private let mlp: GatedMLP
  private let half = ScratchBuffer<UInt16>()

  init(_ tensors: GatedTensors, source: some WeightSource, precision: Precision) throws {
    mlp = try GatedMLP(tensors, block: .dense, source: source, precision: precision)
  }

  var bytes: Double { Double(mlp.bytes) }

  func apply(
    _ n: UnsafePointer<Float>, tokens: Int, addingTo y: UnsafeMutablePointer<Float>,
    tap: (any LayerTap)?
  ) {
    mlp.apply(n, routed: Routing.everyToken(tokens), addingTo: y, tap: tap, half: half)
  }
}

/// Routed experts, and one that sees every token if the family has it.
final class MixtureBlock: FeedForwardBlock {
  private let router: Router
  private let experts: [GatedMLP]
  private let shared: GatedMLP?
  /// `[1, hidden]`, in f32 like the router.
  private let sharedGate: Linear?

  private let gates = ScratchBuffer<Float>()
  private let half = ScratchBuffer<UInt16>()

  init(_ layout: MixtureLayout, source: some WeightSource, precision: Precision) throws {
    router = try Router(layout, source: source)
    experts = try layout.experts.enumerated().map { index, tensors in
      try GatedMLP(tensors, block: .expert(index), source: source, precision: precision)
    }
    shared = try layout.shared.map {
      try GatedMLP($0, block: .shared, source: source, precision: precision)
    }
    sharedGate = try layout.sharedGate.map {
      try Linear([$0], source: source, precision: .f32)
    }
  }

  var bytes: Double {
    let all = experts.reduce(0) { $0 + $1.bytes }
    let others = router.bytes + (shared?.bytes ?? 0) + (sharedGate?.bytes ?? 0)
    return Double(others) + Double(all * router.expertsPerToken) / Double(max(experts.count, 1))
  }

  func apply(
    _ n: UnsafePointer<Float>, tokens: Int, addingTo y: UnsafeMutablePointer<Float>,
    tap: (any LayerTap)?
  ) {
    let routing = router.route(
      n, tokens: tokens, scratch: half,
      keepingProbabilities: tap?.wantsRouterProbabilities ?? false)
    tap?.observe(routing)
    let assigned = routing.byExpert(count: experts.count, all: tap?.wantsAllTokens ?? false)
    for (expert, routed) in zip(experts, assigned) {
      expert.apply(n, routed: routed, addingTo: y, tap: tap, half: half)
    }
    shared?.apply(n, routed: sharedWeights(n, tokens: tokens), addingTo: y, tap: tap, half: half)
  }

  /// sigmoid(gate · n) of every token, or 1.
  private func sharedWeights(_ n: UnsafePointer<Float>, tokens: Int) -> [Routing.Assignment] {
    guard let sharedGate else { return Routing.everyToken(tokens) }
    let gate = gates.reserve(LinearWeights.paddedRows(tokens))
    sharedGate.apply(n, rows: tokens, to: gate, scratch: half)
    return (0..<tokens).map {
      Routing.Assignment(token: $0, weight: 1 / (1 + expf(-gate[$0])))
    }
  }
}
