/// How often two labellings of the same things agree, and how much of it chance explains.
///
/// κ = (observed − expected) / (1 − expected), unweighted: a difference of one label counts as much
/// as any other.
/// - SeeAlso: Cohen 1960, "A coefficient of agreement for nominal scales",
///   doi:10.1177/001316446002000104.
public struct CohenKappa: Sendable, Equatable {
  /// Number of things labelled.
  public let count: Int
  /// Number of things with the same label in both.
  public let agreements: Int
  /// Σ over labels of the product of both shares: the agreement of independent labellings.
  public let expected: Double

  /// Compares labels at equal places; nil for no labels.
  ///
  /// - Parameters:
  ///   - a: One label per thing.
  ///   - b: As many, in the same order.
  public init?<Label: Hashable>(_ a: [Label], _ b: [Label]) {
    precondition(a.count == b.count, "\(a.count) labels against \(b.count)")
    guard !a.isEmpty else { return nil }
    count = a.count
    agreements = zip(a, b).count { $0 == $1 }
    let (inA, inB) = (Self.counts(a), Self.counts(b))
    // Whole numbers, so that the order of the dictionary does not show.
    let products = inA.reduce(0) { $0 + $1.value * inB[$1.key, default: 0] }
    expected = Double(products) / (Double(a.count) * Double(a.count))
  }

  /// Share of equal labels.
  public var observed: Double { Double(agreements) / Double(count) }

  /// In −1...1; nil where both labellings are one and the same label throughout.
  public var value: Double? {
    expected < 1 ? (observed - expected) / (1 - expected) : nil
  }

  private static func counts<Label: Hashable>(_ labels: [Label]) -> [Label: Int] {
    labels.reduce(into: [:]) { $0[$1, default: 0] += 1 }
  }
}
