import Foundation

/// The number of successes in independent trials.
public struct BinomialDistribution: Sendable, Equatable {
  public let trials: Int
  public let probability: Double

  /// - Parameters:
  ///   - trials: Not negative.
  ///   - probability: Of a success, in 0...1.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public init(trials: Int, probability: Double) throws(StatisticsError) {
    guard trials >= 0 else {
      throw .outside("The number of trials", value: "\(trials)", allowed: "0 or more")
    }
    try requireProbability(probability, "The probability of a success")
    self.trials = trials
    self.probability = probability
  }

  /// `P(K = k)`; 0 outside `0...trials`.
  public func mass(_ successes: Int) -> Double {
    guard (0...trials).contains(successes) else { return 0 }
    let failures = trials - successes
    if probability == 0 { return successes == 0 ? 1 : 0 }
    if probability == 1 { return failures == 0 ? 1 : 0 }
    if successes == 0 { return exp(Double(trials) * log1p(-probability)) }
    if failures == 0 { return exp(Double(trials) * log(probability)) }
    return binomialMass(Double(successes), Double(failures), p: probability, q: 1 - probability)
  }

  /// `P(K ≤ k)`.
  public func cumulative(_ successes: Int) -> Double {
    if successes < 0 { return 0 }
    if successes >= trials { return 1 }
    return regularizedBeta(
      Double(trials - successes), Double(successes + 1), x: 1 - probability,
      complement: probability)
  }

  /// `P(K > k)`.
  public func upperTail(_ successes: Int) -> Double {
    if successes < 0 { return 1 }
    if successes >= trials { return 0 }
    return regularizedBeta(
      Double(successes + 1), Double(trials - successes), x: probability,
      complement: 1 - probability)
  }

  /// The smallest `k` with `P(K ≤ k) ≥ probability`.
  ///
  /// - Parameter probability: In 0...1.
  /// - Returns: In `0...trials`.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public func quantile(_ probability: Double) throws(StatisticsError) -> Int {
    try requireProbability(probability, "The probability of a quantile")
    var (low, high) = (0, trials)
    while low < high {
      let middle = (low + high) / 2
      if cumulative(middle) >= probability { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
