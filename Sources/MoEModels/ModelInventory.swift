import Checkpoints
import Foundation

/// What a model folder holds, tensor by tensor summed into parts.
public struct ModelInventory: Sendable {
  public struct Part: Sendable, Equatable {
    public let name: String
    public var tensors = 0
    /// Weights as the model has them: a packed weight counts its codes, not its scales.
    public var parameters = 0
    /// Stored bytes, scales and zeros included.
    public var bytes = 0
  }

  /// In the order of the forward pass, then what belongs nowhere, then the sum.
  public let parts: [Part]
  /// One line: family, layers, experts.
  public let headline: String
  /// How many modules are stored at each bit-width; nil in full precision.
  public let bitsHistogram: String?

  private static let names = [
    "embeddings", "attention", "router", "experts", "norms", "head", "unaccounted",
  ]

  /// - Throws: What opening the folder throws.
  public init(_ directory: URL) throws {
    let (configuration, tensors, packed) = try Self.contents(of: directory)
    var parts = Dictionary(uniqueKeysWithValues: Self.names.map { ($0, Part(name: $0)) })
    for tensor in tensors {
      let name = Self.part(of: tensor.name, in: configuration)
      parts[name]?.tensors += 1
      parts[name]?.parameters += tensor.parameters
      parts[name]?.bytes += tensor.bytes
    }
    let ordered = Self.names.compactMap { parts[$0] }.filter {
      $0.tensors > 0 || $0.name == "unaccounted"
    }
    var total = Part(name: "total")
    for part in ordered {
      total.tensors += part.tensors
      total.parameters += part.parameters
      total.bytes += part.bytes
    }
    self.parts = ordered + [total]
    headline =
      "\(configuration.architecture.rawValue): \(configuration.layerCount) layers, "
      + "\(configuration.expertCount) experts of width \(configuration.intermediateSize), "
      + "top-\(configuration.expertsPerToken), hidden \(configuration.hiddenSize), "
      + "vocabulary \(configuration.vocabularySize)"
    bitsHistogram =
      packed.isEmpty
      ? nil
      : "packed modules by bits: "
        + Dictionary(grouping: packed, by: \.self).sorted { $0.key < $1.key }
        .map { "\($0.key) bits × \($0.value.count)" }.joined(separator: ", ")
  }

  private typealias Tensor = (name: String, parameters: Int, bytes: Int)

  private static func contents(
    of directory: URL
  ) throws -> (
    ModelConfiguration, [Tensor], packed: [Int]
  ) {
    guard QuantizedCheckpoint.isQuantized(directory) else {
      let checkpoint = try Checkpoint(directory)
      return (
        checkpoint.configuration,
        try checkpoint.tensorNames.map {
          let info = try checkpoint.info($0)
          return ($0, info.elementCount, info.byteCount)
        }, []
      )
    }
    let checkpoint = try QuantizedCheckpoint(directory)
    var tensors: [Tensor] = []
    var bits: [Int] = []
    var columns: [String: Int] = [:]
    for weight in checkpoint.quantizedWeights {
      guard let packed = try checkpoint.packed(weight) else { continue }
      bits.append(packed.bits)
      columns[String(weight.dropLast("weight".count)) + "codes"] = packed.columns
    }
    for name in checkpoint.tensorNames {
      guard let info = checkpoint.info(name) else { continue }
      let parameters =
        if let width = columns[name] {
          info.shape[0] * width
        } else if name.hasSuffix(".scales") || name.hasSuffix(".zeros") {
          0
        } else {
          info.elementCount
        }
      tensors.append((name, parameters, info.byteCount))
    }
    return (checkpoint.configuration, tensors, bits)
  }

  /// The part that a tensor of this family belongs to; packed pieces go with their weight.
  private static func part(of tensor: String, in c: ModelConfiguration) -> String {
    let stem = tensor.replacing(#/\.(weight|codes|scales|zeros)$/#, with: "")
    switch stem {
    case "model.embed_tokens": return "embeddings"
    case "lm_head": return "head"
    case "model.norm": return "norms"
    default: break
    }
    guard let match = stem.wholeMatch(of: #/model\.layers\.(\d+)\.(.+)/#),
      let layer = Int(match.1), layer < c.layerCount
    else { return "unaccounted" }
    switch match.2 {
    case "input_layernorm", "post_attention_layernorm": return "norms"
    case "block_sparse_moe.gate": return "router"
    case "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj":
      return "attention"
    default: break
    }
    guard let expert = match.2.wholeMatch(of: #/block_sparse_moe\.experts\.(\d+)\.w[123]/#),
      let index = Int(expert.1), index < c.expertCount
    else { return "unaccounted" }
    return "experts"
  }
}
