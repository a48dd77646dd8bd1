public import Checkpoints

/// A tensor that a model's configuration asks for.
public struct TensorRole: Sendable, Equatable {
  /// The part of a model that a tensor belongs to, in the words of `assay inspect`.
  public enum Part: String, Sendable, CaseIterable {
    case embeddings
    case attention
    case router
    case experts
    case sharedExperts = "shared experts"
    case denseMLP = "dense MLPs"
    case norms
    case head
  }

  public let name: String
  public let shape: [Int]
  public let part: Part
}

extension ModelConfiguration {
  /// Every tensor of the model, in the order of the forward pass.
  public var tensorRoles: [TensorRole] {
    let embeddings = TensorRole(
      name: "model.embed_tokens.weight", shape: [vocabularySize, hiddenSize], part: .embeddings)
    let norm = TensorRole(name: "model.norm.weight", shape: [hiddenSize], part: .norms)
    let head = TensorRole(
      name: "lm_head.weight", shape: [vocabularySize, hiddenSize], part: .head)
    return [embeddings] + (0..<layerCount).flatMap { layout(ofLayer: $0).tensorRoles } + [norm]
      + (tiesWordEmbeddings ? [] : [head])
  }
}

extension LayerLayout {
  /// Every tensor of the layer.
  var tensorRoles: [TensorRole] {
    Self.roles(of: attentionNorm) + attentionRoles + Self.roles(of: feedForwardNorm)
      + feedForwardRoles
  }

  private var attentionRoles: [TensorRole] {
    switch attention {
    case .groupedQuery(let a):
      [a.query, a.key, a.value, a.output].flatMap { Self.roles(of: $0, .attention) }
        + [a.queryNorm, a.keyNorm].flatMap(Self.roles)
    case .latent(let a):
      Self.roles(of: a.query)
        + [a.keyValueDown, a.keyValueUp, a.output].flatMap { Self.roles(of: $0, .attention) }
        + Self.roles(of: a.keyValueNorm)
    }
  }

  private var feedForwardRoles: [TensorRole] {
    switch feedForward {
    case .dense(let tensors): Self.roles(of: tensors, .denseMLP)
    case .mixture(let m):
      Self.roles(of: m.router, .router)
        + m.experts.flatMap { Self.roles(of: $0, .experts) }
        + (m.shared.map { Self.roles(of: $0, .sharedExperts) } ?? [])
        + (m.sharedGate.map { Self.roles(of: $0, .router) } ?? [])
    }
  }

  private static func roles(of query: LatentLayout.Query) -> [TensorRole] {
    switch query {
    case .direct(let query): roles(of: query, .attention)
    case .lowRank(let down, let norm, let up):
      roles(of: down, .attention) + roles(of: norm) + roles(of: up, .attention)
    }
  }

  private static func roles(of tensors: GatedTensors, _ part: TensorRole.Part) -> [TensorRole] {
    [tensors.gate, tensors.up, tensors.down].flatMap { roles(of: $0, part) }
  }

  private static func roles(of tensors: LinearTensors, _ part: TensorRole.Part) -> [TensorRole] {
    [TensorRole(name: tensors.weight, shape: [tensors.rows, tensors.columns], part: part)]
      + (tensors.bias.map { [TensorRole(name: $0, shape: [tensors.rows], part: part)] } ?? [])
  }

  private static func roles(of norm: NormTensor?) -> [TensorRole] {
    norm.map { [TensorRole(name: $0.weight, shape: [$0.width], part: .norms)] } ?? []
  }
}
