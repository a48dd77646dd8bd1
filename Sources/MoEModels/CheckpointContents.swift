public import Checkpoints

/// The tensors of a checkpoint beside those that its configuration asks for.
public struct CheckpointContents: Sendable, Equatable {
  /// Stored and asked for, in the order of the forward pass.
  public let used: [TensorRole]
  /// Stored and of no effect: buffers that are computed anew, a head that is tied to the embeddings.
  public let ignored: [String]
  /// Stored, and nothing here would read them.
  public let unaccounted: [String]
  /// Asked for and not stored.
  public let missing: [TensorRole]

  /// - Parameters:
  ///   - names: Of the stored tensors.
  ///   - configuration: What the model should have.
  public init(_ names: some Sequence<String>, configuration: ModelConfiguration) {
    let stored = Set(names)
    let roles = configuration.tensorRoles
    used = roles.filter { stored.contains($0.name) }
    missing = roles.filter { !stored.contains($0.name) }
    let others = stored.subtracting(roles.map(\.name)).sorted()
    ignored = others.filter { Self.hasNoEffect($0, configuration) }
    unaccounted = others.filter { !Self.hasNoEffect($0, configuration) }
  }

  private static func hasNoEffect(_ name: String, _ c: ModelConfiguration) -> Bool {
    name.hasSuffix(".rotary_emb.inv_freq") || (c.tiesWordEmbeddings && name == "lm_head.weight")
  }

  /// - Throws: ``ModelFolderError`` if a tensor is left over: the forward pass would skip it.
  func check(directory: String, architecture: String) throws(ModelFolderError) {
    guard let first = unaccounted.first else { return }
    throw .unaccountedTensors(
      directory: directory, architecture: architecture, first: first, count: unaccounted.count)
  }
}
