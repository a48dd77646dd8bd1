/// Right and wrong answers of two models on the same items.
public struct PairedOutcomes: Sendable, Equatable {
  public let count: Int
  /// Items that only the candidate answers right.
  public let gained: Int
  /// Items that only the baseline answers right.
  public let lost: Int

  /// - Parameters:
  ///   - count: All items, at least one.
  ///   - gained: Items right in the candidate only.
  ///   - lost: Items right in the baseline only; both together at most `count`.
  /// - Throws: ``StatisticsError`` for negative counts or more discordant items than items.
  public init(count: Int, gained: Int, lost: Int) throws(StatisticsError) {
    try requireCount(count, "items", atLeast: 1)
    guard gained >= 0, lost >= 0, gained <= count - lost else {
      throw .outside(
        "Gained and lost items", value: "\(gained) and \(lost)",
        allowed: "0 or more, together at most \(count)")
    }
    self.count = count
    self.gained = gained
    self.lost = lost
  }

  /// Counts items answered right by one side only.
  ///
  /// - Parameters:
  ///   - candidate: Whether each item is right.
  ///   - baseline: The same items in the same order.
  /// - Throws: ``StatisticsError`` for unequal lengths or no item.
  public init(candidate: [Bool], baseline: [Bool]) throws(StatisticsError) {
    try requireSameLength(
      ("candidate items", candidate.count), ("baseline items", baseline.count))
    let pairs = zip(candidate, baseline)
    try self.init(
      count: candidate.count, gained: pairs.count { $0 && !$1 }, lost: pairs.count { !$0 && $1 })
  }

  public var discordant: Int { gained + lost }

  /// Candidate accuracy − baseline accuracy, in −1...1.
  public var difference: Double { Double(gained - lost) / Double(count) }
}
