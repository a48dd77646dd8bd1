/// The items behind the metrics of one scope: windows of a text, questions of a task.
public struct ScopeItems: Sendable, Equatable {
  /// One an item, unique in its scope: `document/window` of a text, a question's own id.
  public var ids: [String]
  /// ``ItemHash`` of what each item asks, the scored tokens and their context included; nil in files
  /// of before.
  public var hashes: [UInt64]?
  /// The document, passage or subject each item belongs to; nil if there is none.
  public var clusters: [String]?
  /// Name → one value an item: `window_nll` (mean nats per token), `window_tokens`, `correct` (0 or
  /// 1), …
  public var values: [String: [Double]]

  public init(
    ids: [String], hashes: [UInt64]? = nil, clusters: [String]? = nil,
    values: [String: [Double]] = [:]
  ) {
    self.ids = ids
    self.hashes = hashes
    self.clusters = clusters
    self.values = values
  }
}
