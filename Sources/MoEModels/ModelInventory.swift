import Checkpoints
public import Foundation
import Tensors

/// What a model folder holds, tensor by tensor summed into parts.
public struct ModelInventory: Sendable {
  public struct Part: Sendable, Equatable {
    public let name: String
    public var tensors = 0
    /// Weights as the model has them: a packed weight counts its codes, not its scales.
    public var parameters = 0
    /// Stored bytes, scales and zeros included.
    public var bytes = 0

    static func + (sum: Part, part: Part) -> Part {
      Part(
        name: sum.name, tensors: sum.tensors + part.tensors,
        parameters: sum.parameters + part.parameters, bytes: sum.bytes + part.bytes)
    }
  }

  /// In the order of the forward pass, then what is ignored or belongs nowhere, then the sum.
  public let parts: [Part]
  /// One line: family, layers, experts.
  public let headline: String
  /// How many modules are stored at each bit-width; nil in full precision.
  public let bitsHistogram: String?
  /// Names of stored tensors that nothing reads, sorted.
  public let unaccounted: [String]
  /// Names of tensors that `config.json` asks for and that are not stored.
  public let missing: [String]
  /// Tensors whose stored shape is not that of `config.json`, with both, in the order of the model.
  public let misshapen: [String]

  /// - Throws: What opening the folder throws.
  public init(_ directory: URL) throws {
    let stored = try StoredTensors(directory)
    let contents = CheckpointContents(
      stored.tensors.map(\.name), configuration: stored.configuration)
    let partOfTensor = Dictionary(
      contents.used.map { ($0.name, $0.part.rawValue) }
        + contents.ignored.map { ($0, "ignored") }, uniquingKeysWith: { first, _ in first })
    var parts: [String: Part] = [:]
    for tensor in stored.tensors {
      let name = partOfTensor[tensor.name] ?? "unaccounted"
      parts[name] =
        (parts[name] ?? Part(name: name))
        + Part(
          name: name, tensors: tensor.pieces, parameters: tensor.parameters, bytes: tensor.bytes)
    }
    let names = TensorRole.Part.allCases.map(\.rawValue) + ["ignored", "unaccounted"]
    let ordered = names.compactMap { parts[$0] }
    let unaccounted = parts["unaccounted"] == nil ? [Part(name: "unaccounted")] : []
    self.parts = ordered + unaccounted + [ordered.reduce(Part(name: "total"), +)]
    self.unaccounted = contents.unaccounted
    missing = contents.missing.map(\.name)
    let shapes = Dictionary(
      stored.tensors.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
    misshapen = contents.used.compactMap { role in
      guard let shape = shapes[role.name], shape != role.shape else { return nil }
      return "\(role.name) has shape \(shape), config.json asks for \(role.shape)"
    }
    headline = Self.headline(stored.configuration)
    bitsHistogram = Self.histogram(stored.packedBits)
  }

  private static func headline(_ c: ModelConfiguration) -> String {
    var text = "\(c.architecture.rawValue): \(c.layerCount) layers"
    if let mixture = c.mixture {
      text += ", \(mixture.expertCount) experts of width \(mixture.expertWidth)"
      text += ", top-\(mixture.expertsPerToken)"
      if let width = mixture.sharedWidth { text += ", shared expert of width \(width)" }
    }
    if let width = c.denseWidth {
      let layers = c.mixture.map { $0.denseLayers.count } ?? c.layerCount
      text += ", \(layers) dense \(layers == 1 ? "MLP" : "MLPs") of width \(width)"
    }
    return text + ", hidden \(c.hiddenSize), vocabulary \(c.vocabularySize)"
  }

  private static func histogram(_ bits: [String]) -> String? {
    guard !bits.isEmpty else { return nil }
    let counts = Dictionary(grouping: bits, by: \.self).sorted { $0.key < $1.key }
    return "packed modules by bits: "
      + counts.map { "\(Self.withUnit($0.key)) × \($0.value.count)" }.joined(separator: ", ")
  }
}

extension ModelInventory {
  /// `3 bits (codebooks)`.
  private static func withUnit(_ bits: String) -> String {
    let number = bits.prefix { $0 != " " }
    return "\(number) bits\(bits.dropFirst(number.count))"
  }
}

/// The tensors of a folder under the names of the model, packed pieces joined to their weight.
private struct StoredTensors {
  struct Tensor {
    let name: String
    /// Of the weight, also where it is packed.
    let shape: [Int]
    var pieces = 1
    var parameters: Int
    var bytes: Int
  }

  let configuration: ModelConfiguration
  let tensors: [Tensor]
  /// Of every packed weight; of slices all, from high to low.
  let packedBits: [String]

  init(_ directory: URL) throws {
    if QuantizedCheckpoint.isQuantized(directory) {
      try self.init(QuantizedCheckpoint(directory))
    } else {
      try self.init(Checkpoint(directory))
    }
  }

  private init(_ checkpoint: Checkpoint) throws {
    configuration = checkpoint.configuration
    packedBits = []
    tensors = try checkpoint.tensorNames.map {
      let info = try checkpoint.info($0)
      return Tensor(
        name: $0, shape: info.shape, parameters: info.elementCount, bytes: info.byteCount)
    }
  }

  private init(_ checkpoint: QuantizedCheckpoint) throws {
    configuration = checkpoint.configuration
    var weights: [String: Tensor] = [:]
    var bits: [String] = []
    for weight in checkpoint.quantizedWeights {
      guard let stored = try checkpoint.stored(weight) else { continue }
      bits.append(Self.bits(of: stored))
      weights[weight] = Tensor(
        name: weight, shape: [stored.rows, stored.columns], pieces: 0,
        parameters: stored.rows * stored.columns, bytes: 0)
    }
    for name in checkpoint.tensorNames {
      guard let info = checkpoint.info(name) else { continue }
      if let weight = SlicedTensors.weight(ofPart: name), weights[weight] != nil {
        weights[weight]?.pieces += 1
        weights[weight]?.bytes += info.byteCount
      } else {
        weights[name] = Tensor(
          name: name, shape: info.shape, parameters: info.elementCount, bytes: info.byteCount)
      }
    }
    packedBits = bits
    tensors = weights.values.sorted { $0.name < $1.name }
  }
  /// `3`, `4+2` of slices, with what is not plain affine grids behind it.
  private static func bits(of stored: StoredMatrix) -> String {
    switch stored {
    case .packed(let matrix): "\(matrix.bits)"
    case .inputGrouped(let matrix): "\(matrix.transposed.bits) (input channels)"
    case .codebooks(let matrix): "\(matrix.bits) (codebooks)"
    case .sliced(let matrix): matrix.slices.map { "\($0.bits)" }.joined(separator: "+")
    case .slicedCodebooks(let matrix):
      matrix.slices.map { "\($0.bits)" }.joined(separator: "+") + " (codebooks)"
    case .withSparse(let dense, _): bits(of: dense) + " and sparse"
    }
  }
}
