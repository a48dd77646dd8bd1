import Checkpoints

/// What one decoder layer is made of: the checkpoint's names, the shapes, and how they connect.
///
///     x += attention(norm x)
///     x += feedForward(norm x)
///
/// An architecture describes its layers with it, and everything else is derived: the forward pass,
/// the modules that can be quantized, the places where calibration looks, the inventory.
public struct LayerLayout: Sendable {
  let attentionNorm: NormTensor
  let attention: AttentionLayout
  let feedForwardNorm: NormTensor
  let feedForward: FeedForwardLayout
}

/// y = W x + b as the checkpoint stores it.
struct LinearTensors: Sendable, Equatable {
  let weight: String
  /// nil without a bias.
  let bias: String?
  /// Output features.
  let rows: Int
  /// Input features.
  let columns: Int

  init(_ stem: String, from columns: Int, to rows: Int, bias: Bool = false) {
    weight = "\(stem).weight"
    self.bias = bias ? "\(stem).bias" : nil
    (self.rows, self.columns) = (rows, columns)
  }
}

/// The weight of a root-mean-square normalization.
struct NormTensor: Sendable, Equatable {
  let weight: String
  let width: Int

  init(_ stem: String, _ width: Int) {
    weight = "\(stem).weight"
    self.width = width
  }
}

/// A gated MLP: down(silu(gate x) · up x).
struct GatedTensors: Sendable, Equatable {
  let gate: LinearTensors
  let up: LinearTensors
  let down: LinearTensors

  /// - Parameters:
  ///   - names: Stems of gate, up and down.
  ///   - hidden: Width of input and output.
  ///   - width: Between them.
  ///   - bias: Whether all three have one.
  init(
    _ names: (gate: String, up: String, down: String), hidden: Int, width: Int, bias: Bool = false
  ) {
    gate = LinearTensors(names.gate, from: hidden, to: width, bias: bias)
    up = LinearTensors(names.up, from: hidden, to: width, bias: bias)
    down = LinearTensors(names.down, from: width, to: hidden, bias: bias)
  }

  /// With the names that all families but Mixtral use.
  init(_ prefix: String, hidden: Int, width: Int, bias: Bool = false) {
    self.init(
      ("\(prefix).gate_proj", "\(prefix).up_proj", "\(prefix).down_proj"),
      hidden: hidden, width: width, bias: bias)
  }
}

enum AttentionLayout: Sendable {
  case groupedQuery(GroupedQueryLayout)
  case latent(LatentLayout)
}

/// Grouped-query attention; with equal head counts multi-head attention.
struct GroupedQueryLayout: Sendable {
  let query: LinearTensors
  let key: LinearTensors
  let value: LinearTensors
  let output: LinearTensors
  /// Of queries and keys before they rotate: as wide as a head, or as all heads together.
  var queryNorm: NormTensor?
  var keyNorm: NormTensor?

  init(_ prefix: String, of c: ModelConfiguration) {
    let a = c.attention
    let (queryWidth, keyValueWidth) = (
      a.headCount * a.headDimension, a.keyValueHeadCount * a.headDimension
    )
    query = LinearTensors(
      "\(prefix).q_proj", from: c.hiddenSize, to: queryWidth, bias: a.inputBias)
    key = LinearTensors(
      "\(prefix).k_proj", from: c.hiddenSize, to: keyValueWidth, bias: a.inputBias)
    value = LinearTensors(
      "\(prefix).v_proj", from: c.hiddenSize, to: keyValueWidth, bias: a.inputBias)
    output = LinearTensors(
      "\(prefix).o_proj", from: queryWidth, to: c.hiddenSize, bias: a.outputBias)
  }
}

/// Multi-head latent attention.
struct LatentLayout: Sendable {
  enum Query: Sendable {
    case direct(LinearTensors)
    /// up(norm(down x)).
    case lowRank(down: LinearTensors, norm: NormTensor, up: LinearTensors)
  }

  let shape: LatentConfiguration
  let query: Query
  /// To the latent of keys and values, and the rotating part of the keys behind it.
  let keyValueDown: LinearTensors
  let keyValueNorm: NormTensor
  /// For every head the keys' part that does not rotate, then its values.
  let keyValueUp: LinearTensors
  let output: LinearTensors
}

enum FeedForwardLayout: Sendable {
  case dense(GatedTensors)
  case mixture(MixtureLayout)
}

struct MixtureLayout: Sendable {
  let routing: MixtureConfiguration
  let router: LinearTensors
  let experts: [GatedTensors]
  /// Sees every token; nil if there is none.
  var shared: GatedTensors?
  /// Its output is multiplied by the sigmoid of this; nil if it is not.
  var sharedGate: LinearTensors?
}

extension MixtureLayout {
  /// A router `gate` and `experts.N`, with the names that all families but Mixtral use.
  init(_ prefix: String, _ routing: MixtureConfiguration, hidden: Int) {
    self.routing = routing
    router = LinearTensors("\(prefix).gate", from: hidden, to: routing.expertCount)
    experts = (0..<routing.expertCount).map {
      GatedTensors("\(prefix).experts.\($0)", hidden: hidden, width: routing.expertWidth)
    }
  }
}
