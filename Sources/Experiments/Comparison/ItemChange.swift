/// An item on which two methods differ.
public struct ItemChange: Codable, Sendable, Equatable {
  /// Its name, or its place counted from 0.
  public var item: String
  /// 0 or 1 of an answer, its mean over replicates; of a window nats per token.
  public var candidate: Double
  public var baseline: Double

  public var change: Double { candidate - baseline }
}

extension RunGroup {
  /// The items that differ most, whichever way.
  ///
  /// - Parameters:
  ///   - definition: A metric of both sides.
  ///   - baseline: The other side.
  ///   - limit: At most so many.
  /// - Returns: Largest change of the metric's sum first, ties by place; items that are alike are
  ///   left out.
  /// - Throws: ``ComparisonError``.
  public func changes(
    of definition: MetricDefinition, from baseline: RunGroup, limit: Int
  ) throws(ComparisonError) -> [ItemChange] {
    guard let mine = try items(of: definition), let theirs = try baseline.items(of: definition),
      let items = mine.first?.items, items.difference(from: theirs[0].items) == nil
    else { return [] }
    let (candidate, reference) = (Self.means(mine), Self.means(theirs))
    let order = items.values.indices.filter { candidate[$0] != reference[$0] }.sorted {
      let (first, second) = (
        abs(candidate[$0] - reference[$0]), abs(candidate[$1] - reference[$1])
      )
      return first != second ? first > second : $0 < $1
    }
    return order.prefix(limit).map { place in
      let weight = items.weights?[place] ?? 1
      return ItemChange(
        item: items.name(of: place), candidate: candidate[place] / weight,
        baseline: reference[place] / weight)
    }
  }

  private static func means(_ runs: [SeededItems]) -> [Double] {
    runs[0].items.values.indices.map { item in
      runs.reduce(0) { $0 + $1.items.values[item] } / Double(runs.count)
    }
  }
}
