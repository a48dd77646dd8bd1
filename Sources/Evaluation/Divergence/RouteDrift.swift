import Foundation

/// How a model's routers differ from the full-precision model's on the same tokens.
///
/// A token's route is the set of experts that it goes to, layer by layer.
public struct RouteDrift: Sendable, Equatable {
  /// A layer with a router.
  public struct Layer: Sendable, Equatable {
    /// Index of the layer.
    public let layer: Int
    var tokens = 0
    var changed = 0
    var divergenceSum = 0.0
    /// Assignments of every expert.
    var loads: [Int]
    var referenceLoads: [Int]

    /// Share of tokens whose set of experts is another.
    public var change: Double { Double(changed) / Double(max(tokens, 1)) }
    /// Total variation ½ Σ |share − share_full| of the experts' shares of assignments, 0…1.
    public var loadShift: Double {
      let (all, reference) = (Double(loads.reduce(0, +)), Double(referenceLoads.reduce(0, +)))
      guard all > 0, reference > 0 else { return 0 }
      return zip(loads, referenceLoads).reduce(0) {
        $0 + abs(Double($1.0) / all - Double($1.1) / reference)
      } / 2
    }
    /// Mean KL(P_full ‖ P) of router probabilities over all experts, nats per token.
    public var divergence: Double { divergenceSum / Double(max(tokens, 1)) }
  }

  public private(set) var layers: [Layer] = []
  /// For every token the place in ``layers`` of the first layer that sends it elsewhere; −1: none.
  public private(set) var firstChange: [Int32] = []

  init() {}

  /// Means over layers.
  public var change: Double { mean(\.change) }
  public var loadShift: Double { mean(\.loadShift) }
  public var divergence: Double { mean(\.divergence) }
  /// Share of tokens whose route is the same in every layer.
  public var sameRoutes: Double {
    Double(firstChange.count { $0 < 0 }) / Double(max(firstChange.count, 1))
  }
  /// Share of tokens that leave their route at each of ``layers``.
  public var firstChanges: [Double] {
    var counts = [Int](repeating: 0, count: layers.count)
    for layer in firstChange where layer >= 0 { counts[Int(layer)] += 1 }
    return counts.map { Double($0) / Double(max(firstChange.count, 1)) }
  }

  private func mean(_ value: (Layer) -> Double) -> Double {
    layers.reduce(0) { $0 + value($1) } / Double(max(layers.count, 1))
  }

  /// Adds tokens.
  ///
  /// - Parameters:
  ///   - reference: Routes of the full-precision model, by layer.
  ///   - routes: Of the same tokens through the other model.
  mutating func add(reference: [LayerRoutes], _ routes: [LayerRoutes]) {
    precondition(reference.map(\.layer) == routes.map(\.layer), "other layers with routers")
    guard let tokens = reference.first?.tokens else { return }
    if layers.isEmpty {
      layers = reference.map {
        let none = [Int](repeating: 0, count: $0.expertCount)
        return Layer(layer: $0.layer, loads: none, referenceLoads: none)
      }
    }
    var first = [Int32](repeating: -1, count: tokens)
    for (place, (reference, routes)) in zip(reference, routes).enumerated() {
      precondition(routes.tokens == tokens, "\(routes.tokens) tokens, \(tokens)")
      layers[place].tokens += tokens
      for expert in reference.experts { layers[place].referenceLoads[Int(expert)] += 1 }
      for expert in routes.experts { layers[place].loads[Int(expert)] += 1 }
      layers[place].divergenceSum += Self.divergence(reference.probabilities, routes.probabilities)
      for token in 0..<tokens where reference.experts(of: token) != routes.experts(of: token) {
        layers[place].changed += 1
        if first[token] < 0 { first[token] = Int32(place) }
      }
    }
    firstChange += first
  }

  /// Adds the tokens of another text.
  mutating func add(_ other: RouteDrift) {
    guard !layers.isEmpty else {
      self = other
      return
    }
    precondition(layers.map(\.layer) == other.layers.map(\.layer), "other layers with routers")
    for place in layers.indices {
      let more = other.layers[place]
      layers[place].tokens += more.tokens
      layers[place].changed += more.changed
      layers[place].divergenceSum += more.divergenceSum
      for expert in more.loads.indices {
        layers[place].loads[expert] += more.loads[expert]
        layers[place].referenceLoads[expert] += more.referenceLoads[expert]
      }
    }
    firstChange += other.firstChange
  }

  /// Σ p ln(p/q) over all tokens; an expert without probability adds nothing.
  private static func divergence(_ p: [Float], _ q: [Float]) -> Double {
    zip(p, q).reduce(0) { sum, pair in
      guard pair.0 > 0 else { return sum }
      let other = max(pair.1, .leastNormalMagnitude)
      return sum + Double(pair.0) * (log(Double(pair.0)) - log(Double(other)))
    }
  }
}
