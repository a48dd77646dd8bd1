extension PairedOutcomes {
  /// Tango's score: how many standard errors the difference lies above a supposed one.
  ///
  /// `z = (gained − lost − nδ) / √(n (2q + δ(1 − δ)))`, where `q` is the most likely share of lost
  /// items given δ, the larger root of `2n q² + (−g − l + (2n − g + l) δ) q − l δ(1 − δ) = 0`.
  /// Unlike Wald's it has a width where nothing is discordant.
  ///
  /// - Parameter supposed: δ, between −1 and 1.
  /// - Returns: A standard normal deviate if δ is the true difference.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  /// - SeeAlso: Tango 1998, "Equivalence test and confidence interval for the difference in
  ///   proportions for the paired-sample design", doi:10.1002/(SICI)1097-0258(19980430)17:8<891.
  public func score(against supposed: Double) throws(StatisticsError) -> Double {
    guard supposed > -1, supposed < 1 else {
      throw .outside("The supposed difference", value: "\(supposed)", allowed: "between -1 and 1")
    }
    return uncheckedScore(supposed)
  }

  /// All differences that ``score(against:)`` does not reject.
  ///
  /// - Parameter level: Nominal coverage, between 0 and 1.
  /// - Returns: Bounds in −1...1.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public func interval(level: Double = 0.95) throws(StatisticsError) -> ConfidenceInterval {
    try requireInnerProbability(level, "The level")
    let z = StandardNormal.point(within: level)
    let end = 1 - 1e-12
    // The score falls from +∞ to −∞ as the supposed difference rises.
    let lower =
      lost == count
      ? -1 : root(between: -end, and: max(-end, difference)) { uncheckedScore($0) - z }
    let upper =
      gained == count
      ? 1 : root(between: min(end, difference), and: end) { uncheckedScore($0) + z }
    return ConfidenceInterval(lower: lower, upper: upper, level: level, method: .score)
  }

  func uncheckedScore(_ supposed: Double) -> Double {
    let (n, gains, losses) = (Double(count), Double(gained), Double(lost))
    let excess = gains - losses - n * supposed
    let linear = -gains - losses + (2 * n - gains + losses) * supposed
    let constant = -losses * supposed * (1 - supposed)
    let discriminant = max(0, linear * linear - 8 * n * constant).squareRoot()
    // The root without cancellation: either form is exact where the other subtracts.
    let share =
      linear <= 0 ? (discriminant - linear) / (4 * n) : -2 * constant / (discriminant + linear)
    let variance = n * (2 * share + supposed * (1 - supposed))
    guard variance > 0 else { return excess == 0 ? 0 : excess > 0 ? .infinity : -.infinity }
    return excess / variance.squareRoot()
  }
}
