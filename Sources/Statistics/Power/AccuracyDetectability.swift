/// How small a difference of accuracies exact McNemar can see on the same items.
///
/// The number of discordant items is `Binomial(items, discordance)`, the gains among them
/// `Binomial(discordant, (discordance + difference) / (2 discordance))`; the power sums the chance of
/// rejection over the former.
/// - SeeAlso: Duffy 1984, "Asymptotic and exact power for the McNemar test and its analogue with R
///   controls per case", doi:10.2307/2531157; Connor 1987, doi:10.2307/2531961.
public struct AccuracyDetectability: Sendable, Equatable {
  public let items: Int
  /// Assumed share of items that only one of the models gets right.
  public let discordance: Double
  /// Chance of claiming a difference where there is none; exact McNemar stays below it.
  public let alpha: Double
  private let rejections: [Rejection]

  /// Where the test rejects for one number of discordant items.
  private struct Rejection: Sendable, Equatable {
    let discordant: Int
    /// Chance of that many.
    let weight: Double
    /// Rejects if the smaller of gains and losses is at most this.
    let largest: Int
  }

  /// - Parameters:
  ///   - items: Paired items, at least one.
  ///   - discordance: Above 0, at most 1.
  ///   - alpha: Two-sided, between 0 and 1.
  /// - Throws: ``StatisticsError`` for a value out of range.
  /// - Complexity: O(√items · log items) tails.
  public init(items: Int, discordance: Double, alpha: Double = 0.05) throws(StatisticsError) {
    try requireCount(items, "items", atLeast: 1)
    guard discordance > 0, discordance <= 1 else {
      throw .outside("The discordance", value: "\(discordance)", allowed: "above 0, at most 1")
    }
    try requireInnerProbability(alpha, "Alpha")
    self.items = items
    self.discordance = discordance
    self.alpha = alpha
    rejections = try Self.rejections(items, discordance, alpha)
  }

  private static func rejections(
    _ items: Int, _ discordance: Double, _ alpha: Double
  ) throws(StatisticsError) -> [Rejection] {
    let discordants = try BinomialDistribution(trials: items, probability: discordance)
    // Fewer and more discordant items than these have a chance below 1e-14 together.
    let first = try discordants.quantile(5e-15)
    let last = try discordants.quantile(1 - 5e-15)
    var rejections: [Rejection] = []
    for discordant in first...last {
      let fair = try BinomialDistribution(trials: discordant, probability: 0.5)
      var largest = try fair.quantile(alpha / 2)
      if 2 * fair.cumulative(largest) > alpha { largest -= 1 }
      if largest < 0 { continue }
      rejections.append(
        Rejection(discordant: discordant, weight: discordants.mass(discordant), largest: largest))
    }
    return rejections
  }

  /// The chance of claiming a difference.
  ///
  /// - Parameter difference: True difference of accuracies, at most the discordance in size.
  /// - Returns: In 0...1.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public func power(difference: Double) throws(StatisticsError) -> Double {
    guard abs(difference) <= discordance else {
      throw .outside(
        "The difference", value: "\(difference)", allowed: "within ±\(discordance), the discordance"
      )
    }
    let gain = min(1, (discordance + abs(difference)) / (2 * discordance))
    var power = 0.0
    for rejection in rejections {
      let gains = try BinomialDistribution(trials: rejection.discordant, probability: gain)
      let few = gains.cumulative(rejection.largest)
      let many = gains.upperTail(rejection.discordant - rejection.largest - 1)
      power += rejection.weight * min(1, few + many)
    }
    return min(1, power)
  }

  /// The smallest true difference that is found with the given chance.
  ///
  /// - Parameter power: Wanted chance of finding it, between 0 and 1.
  /// - Returns: Positive; nil if even gains alone are found less often, that is if there are too few
  ///   items or discordant items.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public func smallestDifference(power: Double = 0.8) throws(StatisticsError) -> Double? {
    try requireInnerProbability(power, "The power")
    guard try self.power(difference: discordance) >= power else { return nil }
    // Power rises with the difference. 2^−40 of the discordance is far below one item.
    var (low, high) = (0.0, discordance)
    for _ in 0..<40 {
      let middle = (low + high) / 2
      if try self.power(difference: middle) < power { low = middle } else { high = middle }
    }
    return high
  }

  /// ``smallestDifference(power:)`` by Connor's normal approximation, in closed form.
  ///
  /// Solves `√n δ = z(1 − α/2) √ψ + z(power) √(ψ − δ²)` for the discordance ψ. Somewhat smaller than
  /// the exact one, since exact McNemar is conservative.
  ///
  /// - Parameter power: Wanted chance of finding it, at least ½.
  /// - Returns: Positive; nil if above the discordance.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public func approximateSmallestDifference(power: Double = 0.8) throws(StatisticsError) -> Double?
  {
    guard power >= 0.5, power < 1 else {
      throw .outside("The power", value: "\(power)", allowed: "at least 0.5 and below 1")
    }
    let n = Double(items)
    let zPower = StandardNormal.point(below: power)
    let shift = StandardNormal.point(below: 1 - alpha / 2) * discordance.squareRoot()
    let square = n + zPower * zPower
    let constant = shift * shift - zPower * zPower * discordance
    let discriminant = max(0, shift * shift * n - square * constant)
    let difference = (shift * n.squareRoot() + discriminant.squareRoot()) / square
    return difference <= discordance ? difference : nil
  }
}
