extension ConfidenceInterval {
  /// The score interval of a proportion: `(p̂ + z²/2n ± z √(p̂(1−p̂)/n + z²/4n²)) / (1 + z²/n)`.
  ///
  /// It stays inside 0...1 and has a width at 0 and n successes too.
  ///
  /// - Parameters:
  ///   - successes: In `0...trials`.
  ///   - trials: Independent items, at least one.
  ///   - level: Nominal coverage, between 0 and 1.
  /// - Returns: Bounds of the proportion.
  /// - Throws: ``StatisticsError`` for counts or a level out of range.
  /// - SeeAlso: Wilson 1927, "Probable inference, the law of succession, and statistical inference",
  ///   doi:10.1080/01621459.1927.10502953.
  public static func wilson(
    successes: Int, trials: Int, level: Double = 0.95
  ) throws(StatisticsError) -> ConfidenceInterval {
    try requireCount(trials, "trials", atLeast: 1)
    try requireInnerProbability(level, "The level")
    guard (0...trials).contains(successes) else {
      throw .outside(
        "The number of successes", value: "\(successes)", allowed: "in 0...\(trials)")
    }
    let n = Double(trials)
    let share = Double(successes) / n
    let z = StandardNormal.point(within: level)
    let center = (share + z * z / (2 * n)) / (1 + z * z / n)
    let half =
      z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)).squareRoot()
    // Exactly 0 and 1 where the formula gives them but for rounding.
    return ConfidenceInterval(
      lower: successes == 0 ? 0 : max(0, center - half),
      upper: successes == trials ? 1 : min(1, center + half), level: level, method: .wilson)
  }
}
