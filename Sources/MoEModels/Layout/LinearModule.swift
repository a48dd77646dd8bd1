public import Checkpoints

/// A projection of a decoder layer.
public enum Projection: String, Sendable, CaseIterable {
  case query = "q"
  case key = "k"
  case value = "v"
  case output = "o"
  /// To and from the queries' latent.
  case queryDown = "q-down"
  case queryUp = "q-up"
  /// To and from the latent of keys and values.
  case keyValueDown = "kv-down"
  case keyValueUp = "kv-up"
  case gate, up, down
}

/// One weight matrix that can be quantized.
public struct LinearModule: Sendable, Equatable {
  /// Name in the checkpoint, ending in `.weight`.
  public let tensor: String
  public let layer: Int
  /// The MLP that it belongs to; nil in attention.
  public let block: GatedBlock?
  public let projection: Projection
  /// Output features.
  public let rows: Int
  /// Input features.
  public let columns: Int
  /// Where its input, hence its Hessian, is taken.
  public let input: InputSite

  public var weights: Int { rows * columns }

  /// nil outside of routed experts.
  public var expert: Int? { block?.expert }

  /// Name of the MLP that this projection belongs to, as plans call it; nil in attention.
  public var unit: String? { block.map { Self.unit(layer: layer, $0) } }

  /// Name of an MLP, as plans call it.
  public static func unit(layer: Int, _ block: GatedBlock) -> String {
    switch block {
    case .expert(let index): "layers.\(layer).experts.\(index)"
    case .shared: "layers.\(layer).shared"
    case .dense: "layers.\(layer).mlp"
    }
  }
}

extension ModelConfiguration {
  /// The quantizable matrices of a layer: attention, then block by block; those with the same input
  /// follow each other.
  ///
  /// Router, gates, biases, embeddings, head and norms keep their precision.
  public func linearModules(layer: Int) -> [LinearModule] {
    let layout = layout(ofLayer: layer)
    return layout.attentionModules.map { projection, tensors, input in
      LinearModule(tensors, layer: layer, block: nil, projection: projection, input: input)
    } + layout.gatedBlocks.flatMap { Self.modules(of: $0.block, $0.tensors, layer: layer) }
  }

  /// The MLPs of a layer, each with its gate, up and down: routed experts, then the shared one.
  public func gatedBlocks(
    layer: Int
  ) -> [(block: GatedBlock, modules: [LinearModule])] {
    layout(ofLayer: layer).gatedBlocks.map {
      ($0.block, Self.modules(of: $0.block, $0.tensors, layer: layer))
    }
  }

  /// The places of a layer where calibration looks, with their channels, in the order of the
  /// forward pass.
  public func inputSites(layer: Int) -> [(site: InputSite, width: Int)] {
    var seen: Set<InputSite> = []
    return linearModules(layer: layer).filter { seen.insert($0.input).inserted }
      .map { ($0.input, $0.columns) }
  }

  private static func modules(
    of block: GatedBlock, _ tensors: GatedTensors, layer: Int
  ) -> [LinearModule] {
    let projections: [(Projection, LinearTensors, InputSite)] = [
      (.gate, tensors.gate, .gateUp(block)), (.up, tensors.up, .gateUp(block)),
      (.down, tensors.down, .down(block)),
    ]
    return projections.map { projection, tensors, input in
      LinearModule(tensors, layer: layer, block: block, projection: projection, input: input)
    }
  }
}

extension LinearModule {
  fileprivate init(
    _ tensors: LinearTensors, layer: Int, block: GatedBlock?, projection: Projection,
    input: InputSite
  ) {
    self.init(
      tensor: tensors.weight, layer: layer, block: block, projection: projection,
      rows: tensors.rows, columns: tensors.columns, input: input)
  }
}

extension LayerLayout {
  fileprivate var attentionModules: [(Projection, LinearTensors, InputSite)] {
    switch attention {
    case .groupedQuery(let a):
      return [
        (.query, a.query, .queryKeyValue), (.key, a.key, .queryKeyValue),
        (.value, a.value, .queryKeyValue), (.output, a.output, .attentionOutput),
      ]
    case .latent(let a):
      let rest: [(Projection, LinearTensors, InputSite)] = [
        (.keyValueUp, a.keyValueUp, .keyValueLatent), (.output, a.output, .attentionOutput),
      ]
      switch a.query {
      case .direct(let query):
        return [
          (.query, query, .queryKeyValue), (.keyValueDown, a.keyValueDown, .queryKeyValue),
        ] + rest
      case .lowRank(let down, _, let up):
        return [
          (.queryDown, down, .queryKeyValue), (.keyValueDown, a.keyValueDown, .queryKeyValue),
          (.queryUp, up, .queryLatent),
        ] + rest
      }
    }
  }

  /// Routed experts, then the shared one; or the only MLP of the layer.
  var gatedBlocks: [(block: GatedBlock, tensors: GatedTensors)] {
    switch feedForward {
    case .dense(let tensors): [(.dense, tensors)]
    case .mixture(let m):
      m.experts.enumerated().map { (.expert($0.offset), $0.element) }
        + (m.shared.map { [(.shared, $0)] } ?? [])
    }
  }
}
