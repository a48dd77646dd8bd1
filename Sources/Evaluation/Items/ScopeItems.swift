/// The items behind the metrics of one scope: windows of a text, questions of a task.
public struct ScopeItems: Sendable, Equatable {
  /// One an item, unique in its scope: `document/window` of a text, a question's own id.
  public var ids: [String]
  /// ``ItemHash`` of what each item asks, the scored tokens and their context included; nil in files
  /// of before.
  public var hashes: [UInt64]?
  /// The document or passage each item belongs to; nil if items are independent.
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

  /// Why these are not the items of `other`; nil if they are, and in the same order.
  ///
  /// Hashes decide where both sides have them, ids elsewhere.
  public func difference(from other: ScopeItems) -> String? {
    guard ids.count == other.ids.count else {
      return "\(ids.count) items against \(other.ids.count)"
    }
    if let hashes, let others = other.hashes {
      guard let place = hashes.indices.first(where: { hashes[$0] != others[$0] }) else {
        return nil
      }
      return "item \(place), \(ids[place]), asks something else than \(other.ids[place])"
    }
    return ids.indices.first { ids[$0] != other.ids[$0] }.map {
      "item \($0) is \(ids[$0]) on one side and \(other.ids[$0]) on the other"
    }
  }
}
