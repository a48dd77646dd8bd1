/// A published result beside what this program makes of the same inputs.
public struct PublishedCheck: Sendable, Equatable {
  public enum Outcome: String, Sendable {
    case reproduced, differs, skipped
  }

  public var source: String
  public var quantity: String
  public var published: String
  public var found: String
  public var outcome: Outcome

  init(_ source: String, _ quantity: String, published: String, found: String, holds: Bool) {
    (self.source, self.quantity) = (source, quantity)
    (self.published, self.found) = (published, found)
    outcome = holds ? .reproduced : .differs
  }

  /// A check whose inputs were not given.
  init(skipped source: String, _ quantity: String, because reason: String) {
    (self.source, self.quantity) = (source, quantity)
    (published, found, outcome) = ("", reason, .skipped)
  }
}
