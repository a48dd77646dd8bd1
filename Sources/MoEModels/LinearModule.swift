import Checkpoints

/// A projection of a decoder layer.
public enum Projection: String, Sendable, CaseIterable {
  case query = "q"
  case key = "k"
  case value = "v"
  case output = "o"
  case gate, up, down
}

/// One weight matrix that can be quantized.
public struct LinearModule: Sendable, Equatable {
  /// Name in the checkpoint, ending in `.weight`.
  public let tensor: String
  public let layer: Int
  /// nil in attention.
  public let expert: Int?
  public let projection: Projection
  /// Output features.
  public let rows: Int
  /// Input features.
  public let columns: Int
  /// Where its input, hence its Hessian, is taken.
  public let input: InputSite

  public var weights: Int { rows * columns }

  /// Name of the expert that this projection belongs to, as plans call it.
  public var unit: String? { expert.map { Self.expertUnit(layer: layer, expert: $0) } }

  public static func expertUnit(layer: Int, expert: Int) -> String {
    "layers.\(layer).experts.\(expert)"
  }
}

extension ModelConfiguration {
  /// The quantizable matrices of a layer: attention, then expert by expert.
  ///
  /// Router, embeddings, head and norms keep their precision.
  public func linearModules(layer: Int) -> [LinearModule] {
    let keys = MixtralKeys(layer: layer)
    let (queryWidth, keyValueWidth) = (
      attentionHeadCount * headDimension, keyValueHeadCount * headDimension
    )
    let attention: [(String, Projection, Int, Int, InputSite)] = [
      (keys.query, .query, queryWidth, hiddenSize, .queryKeyValue),
      (keys.key, .key, keyValueWidth, hiddenSize, .queryKeyValue),
      (keys.value, .value, keyValueWidth, hiddenSize, .queryKeyValue),
      (keys.output, .output, hiddenSize, queryWidth, .attentionOutput),
    ]
    return attention.map { tensor, projection, rows, columns, input in
      LinearModule(
        tensor: tensor, layer: layer, expert: nil, projection: projection, rows: rows,
        columns: columns, input: input)
    } + (0..<expertCount).flatMap { expertModules(layer: layer, expert: $0) }
  }

  /// gate, up and down of an expert.
  public func expertModules(layer: Int, expert: Int) -> [LinearModule] {
    let keys = MixtralKeys(layer: layer).expert(expert)
    let projections: [(String, Projection, Int, Int, InputSite)] = [
      (keys.gate, .gate, intermediateSize, hiddenSize, .gateUp(expert: expert)),
      (keys.up, .up, intermediateSize, hiddenSize, .gateUp(expert: expert)),
      (keys.down, .down, hiddenSize, intermediateSize, .down(expert: expert)),
    ]
    return projections.map { tensor, projection, rows, columns, input in
      LinearModule(
        tensor: tensor, layer: layer, expert: expert, projection: projection, rows: rows,
        columns: columns, input: input)
    }
  }
}
