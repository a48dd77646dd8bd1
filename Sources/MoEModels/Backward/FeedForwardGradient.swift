import Checkpoints
import Foundation
import Tensors

/// What a layer does to each token alone, both ways.
struct FeedForwardGradient {
  private enum Kind {
    case dense(GatedGradient)
    case mixture(MixtureGradient)
  }
  private let kind: Kind

  init(_ layout: FeedForwardLayout, source: some WeightSource) throws {
    kind =
      switch layout {
      case .dense(let tensors): .dense(try GatedGradient(tensors, source: source))
      case .mixture(let layout): .mixture(try MixtureGradient(layout, source: source))
      }
  }

  enum Record {
    case dense(GatedGradient.Record)
    case mixture(MixtureGradient.Record)
  }

  /// - Parameters:
  ///   - x: Normalized residual stream, `[tokens, hidden]`.
  ///   - y: The output is added to it.
  func record(of x: Matrix, addingTo y: inout Matrix) -> Record {
    switch kind {
    case .dense(let mlp):
      .dense(mlp.record(of: x, routed: Routing.everyToken(x.rows), addingTo: &y))
    case .mixture(let mixture): .mixture(mixture.record(of: x, addingTo: &y))
    }
  }

  /// - Parameters:
  ///   - slope: Of the output, `[tokens, hidden]`.
  ///   - record: What went there.
  ///   - observe: Is shown the projections.
  /// - Returns: Slope of the input.
  func slope(
    of slope: Matrix, _ record: Record, observe: (LinearSlope) throws -> Void
  ) rethrows -> Matrix {
    var input = Matrix(rows: slope.rows, columns: slope.columns)
    switch (kind, record) {
    case (.dense(let mlp), .dense(let record)):
      _ = try mlp.slope(of: slope, record, addingTo: &input, observe: observe)
    case (.mixture(let mixture), .mixture(let record)):
      try mixture.slope(of: slope, record, addingTo: &input, observe: observe)
    default: preconditionFailure("a record of another layer")
    }
    return input
  }
}

/// Routed experts, and one that sees every token if the family has it, both ways.
///
/// Which experts a token goes to is taken as fixed; through their weights the router gets its slope.
struct MixtureGradient {
  private let routing: MixtureConfiguration
  private let router: Router
  private let routerLinear: PlainLinear
  private let experts: [GatedGradient]
  private let shared: GatedGradient?
  private let sharedGate: PlainLinear?

  init(_ layout: MixtureLayout, source: some WeightSource) throws {
    routing = layout.routing
    router = try Router(layout, source: source)
    routerLinear = try PlainLinear(layout.router, source: source)
    experts = try layout.experts.map { try GatedGradient($0, source: source) }
    shared = try layout.shared.map { try GatedGradient($0, source: source) }
    sharedGate = try layout.sharedGate.map { try PlainLinear($0, source: source) }
  }

  struct Record {
    let input: Matrix
    let routing: Routing
    /// Softmax over all experts, `[tokens, experts]`.
    let probabilities: Matrix
    /// nil for an expert without tokens.
    let experts: [GatedGradient.Record?]
    let shared: GatedGradient.Record?
  }

  func record(of x: Matrix, addingTo y: inout Matrix) -> Record {
    let (routing, probabilities) = router.route(x)
    let assigned = routing.byExpert(count: experts.count)
    let records = zip(experts, assigned).map { expert, routed in
      routed.isEmpty ? nil : expert.record(of: x, routed: routed, addingTo: &y)
    }
    return Record(
      input: x, routing: routing, probabilities: probabilities, experts: records,
      shared: shared?.record(of: x, routed: sharedWeights(of: x), addingTo: &y))
  }

  private func sharedWeights(of x: Matrix) -> [Routing.Assignment] {
    guard let sharedGate else { return Routing.everyToken(x.rows) }
    return sharedGate.outputs(of: x).storage.enumerated().map {
      Routing.Assignment(token: $0, weight: 1 / (1 + expf(-$1)))
    }
  }

  func slope(
    of slope: Matrix, _ record: Record, addingTo input: inout Matrix,
    observe: (LinearSlope) throws -> Void
  ) rethrows {
    // By token and expert; zero for those that a token does not go to.
    var weightSlopes = Matrix(rows: slope.rows, columns: experts.count)
    for (index, expert) in experts.enumerated() {
      guard let part = record.experts[index] else { continue }
      let slopes = try expert.slope(of: slope, part, addingTo: &input, observe: observe)
      for (token, value) in zip(part.tokens, slopes) { weightSlopes[token, index] = value }
    }
    let logits = logitSlopes(of: weightSlopes, record)
    try observe(routerLinear.slope(logits, at: record.input))
    input.add(routerLinear.inputSlope(of: logits))
    guard let shared, let part = record.shared else { return }
    let gateSlopes = try shared.slope(of: slope, part, addingTo: &input, observe: observe)
    guard let sharedGate else { return }
    let logit = Matrix(
      rows: slope.rows, columns: 1,
      storage: zip(gateSlopes, part.weights).map { $0 * $1 * (1 - $1) })
    try observe(sharedGate.slope(logit, at: record.input))
    input.add(sharedGate.inputSlope(of: logit))
  }

  /// From the applied weights w = c p / s, s being 1 or the sum of the chosen p, to the logits of the
  /// softmax.
  private func logitSlopes(of weightSlopes: Matrix, _ record: Record) -> Matrix {
    var result = Matrix(rows: weightSlopes.rows, columns: experts.count)
    let topK = record.routing.topK
    for token in 0..<weightSlopes.rows {
      let chosen = record.routing.experts[token * topK..<(token + 1) * topK]
      let sum =
        routing.renormalizes ? chosen.reduce(0) { $0 + record.probabilities[token, $1] } : 1
      let mean =
        routing.renormalizes
        ? chosen.reduce(0) { $0 + weightSlopes[token, $1] * record.probabilities[token, $1] } / sum
        : 0
      var dot: Float = 0
      for expert in chosen {
        let slope = routing.weightScale * (weightSlopes[token, expert] - mean) / sum
        result[token, expert] = slope
        dot += slope * record.probabilities[token, expert]
      }
      for expert in experts.indices {
        result[token, expert] =
          record.probabilities[token, expert] * (result[token, expert] - dot)
      }
    }
    return result
  }
}

extension Router {
  /// The same decisions as the forward pass takes, and the softmax behind them.
  fileprivate func route(_ x: Matrix) -> (Routing, probabilities: Matrix) {
    // The product reads whole blocks of rows.
    let room = LinearWeights.paddedRows(x.rows) * columns
    let inputs = ScratchBuffer<Float>()
    let padded = inputs.reserve(room)
    padded.update(repeating: 0, count: room)
    x.storage.withUnsafeBufferPointer { x in
      if let base = x.baseAddress { padded.update(from: base, count: x.count) }
    }
    let routing = route(padded, tokens: x.rows, scratch: ScratchBuffer<UInt16>())
    let softmax = UnsafeBufferPointer(
      start: probabilities(tokens: x.rows), count: x.rows * count)
    return (routing, Matrix(rows: x.rows, columns: count, storage: Array(softmax)))
  }
}
