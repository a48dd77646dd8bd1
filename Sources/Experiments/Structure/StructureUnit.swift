import Checkpoints
import MoEModels
import Reconstruction

/// A part of a model that is quantized alone, everything else staying in full precision.
public struct StructureUnit: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable, Codable {
    /// All MLPs of the model: what the parts add up to, or do not.
    case model
    /// All MLPs of a layer: `layers.0.experts`.
    case layer
    /// One projection of all MLPs of a layer: `layers.0.down`.
    case projection
    /// An MLP: `layers.0.experts.3`, `layers.0.shared`, `layers.0.mlp`.
    case expert
    /// A matrix of an MLP: `layers.0.experts.3.down`.
    case matrix
    /// A tenth of the neurons of every MLP of a layer, by rank: `layers.0.decile.0` gains most by
    /// bits, as predicted.
    case decile
    /// A matrix of attention: `layers.0.attention.q`.
    case attention
  }

  /// A module, and the neurons of it where it is not all.
  struct Part: Sendable, Equatable {
    let module: LinearModule
    /// Rising; nil: all of them.
    var neurons: [Int]?

    /// Neurons that count, of all.
    var share: (taken: Int, of: Int) {
      let all = module.projection == .down ? module.columns : module.rows
      return (neurons?.count ?? all, all)
    }

    var quantized: PartlyQuantizedModel.Part {
      guard let neurons else { return .whole }
      return module.projection == .down ? .columns(neurons) : .rows(neurons)
    }
  }

  public let id: String
  public let kind: Kind
  /// -1 for the whole model.
  public let layer: Int
  /// Routed experts alone.
  public let expert: Int?
  /// `gate`, `up`, `down`, `q`, …
  public let projection: String?
  /// 0…9.
  public let decile: Int?
  let parts: [Part]

  /// Weights that are quantized.
  public var weights: Int {
    parts.reduce(0) { $0 + $1.module.weights * $1.share.taken / max($1.share.of, 1) }
  }

  init(
    _ kind: Kind, id: String, layer: Int, expert: Int? = nil, projection: String? = nil,
    decile: Int? = nil, parts: [Part]
  ) {
    (self.id, self.kind, self.layer, self.expert) = (id, kind, layer, expert)
    (self.projection, self.decile, self.parts) = (projection, decile, parts)
  }
}

extension StructureUnit {
  /// The parts of a model, layer by layer, the whole first.
  ///
  /// - Parameters:
  ///   - configuration: Of the model.
  ///   - kinds: What is taken apart; the whole is always there.
  ///   - ranks: MLP → its neurons from the one that gains most by bits; needed for deciles. MLPs
  ///     that it does not name have none.
  /// - Returns: Units with their modules.
  static func all(
    of configuration: ModelConfiguration, kinds: Set<Kind>, ranks: [String: [Int]]
  ) -> [StructureUnit] {
    let layers = (0..<configuration.layerCount).map { configuration.linearModules(layer: $0) }
    let experts = layers.joined().filter { $0.block != nil }.map { Part(module: $0) }
    let whole = StructureUnit(.model, id: "experts", layer: -1, parts: experts)
    return [whole]
      + layers.enumerated().flatMap { layer, modules in
        units(ofLayer: layer, modules, ranks).filter { kinds.contains($0.kind) }
      }
  }

  private static func units(
    ofLayer layer: Int, _ modules: [LinearModule], _ ranks: [String: [Int]]
  ) -> [StructureUnit] {
    let attention = modules.filter { $0.block == nil }
    let mlps = modules.filter { $0.block != nil }
    let names = mlps.compactMap(\.unit).reduce(into: [String]()) {
      if $0.last != $1 { $0.append($1) }
    }
    return attention.map {
      StructureUnit(
        .attention, id: "layers.\(layer).attention.\($0.projection.rawValue)", layer: layer,
        projection: $0.projection.rawValue, parts: [Part(module: $0)])
    } + [
      StructureUnit(
        .layer, id: "layers.\(layer).experts", layer: layer, parts: mlps.map { Part(module: $0) })
    ]
      + [Projection.gate, .up, .down].map { projection in
        StructureUnit(
          .projection, id: "layers.\(layer).\(projection.rawValue)", layer: layer,
          projection: projection.rawValue,
          parts: mlps.filter { $0.projection == projection }.map { Part(module: $0) })
      }
      + names.map { name in
        let own = mlps.filter { $0.unit == name }
        return StructureUnit(
          .expert, id: name, layer: layer, expert: own[0].expert,
          parts: own.map { Part(module: $0) })
      }
      + mlps.map {
        StructureUnit(
          .matrix, id: "\($0.unit ?? "").\($0.projection.rawValue)", layer: layer,
          expert: $0.expert, projection: $0.projection.rawValue, parts: [Part(module: $0)])
      } + deciles(ofLayer: layer, mlps, ranks)
  }

  private static func deciles(
    ofLayer layer: Int, _ mlps: [LinearModule], _ ranks: [String: [Int]]
  ) -> [StructureUnit] {
    let ranked = mlps.filter { ranks[$0.unit ?? ""] != nil }
    guard !ranked.isEmpty else { return [] }
    return (0..<10).map { decile in
      StructureUnit(
        .decile, id: "layers.\(layer).decile.\(decile)", layer: layer, decile: decile,
        parts: ranked.map { module in
          let order = ranks[module.unit ?? ""] ?? []
          let range = order.count * decile / 10..<order.count * (decile + 1) / 10
          return Part(module: module, neurons: order[range].sorted())
        })
    }
  }
}
