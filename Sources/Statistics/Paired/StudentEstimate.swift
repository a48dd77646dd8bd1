import Foundation

/// A mean whose error has one source of chance or several, each known from its own sample.
///
/// With variances `v_k` of the mean, estimated with `ν_k` degrees of freedom, the half-width of an
/// interval is `√(Σ t(ν_k)² v_k)`: of one source Student's t. Of several the modified large-sample
/// interval, which, unlike a single t with Satterthwaite's degrees of freedom, does not break where
/// the variance over two or three seeds comes out small by chance.
/// - SeeAlso: Graybill and Wang 1980, "Confidence intervals on nonnegative linear combinations of
///   variances", doi:10.1080/01621459.1980.10477565; Zou and Donner 2008, doi:10.1002/sim.3095.
public struct StudentEstimate: Sendable, Equatable {
  /// One source of chance.
  public struct Source: Sendable, Equatable {
    /// Of the mean, in squared units of the values.
    public let variance: Double
    /// At least 1.
    public let degreesOfFreedom: Double
  }

  /// In the unit of the values.
  public let mean: Double
  public let sources: [Source]
  /// What the error covers.
  public let method: ConfidenceInterval.Method

  init(mean: Double, sources: [Source], method: ConfidenceInterval.Method) {
    precondition(
      !sources.isEmpty && sources.allSatisfy { $0.degreesOfFreedom >= 1 && $0.variance >= 0 },
      "sources of chance: \(sources)")
    self.mean = mean
    self.sources = sources
    self.method = method
  }

  /// In the unit of the mean; 0 only where nothing varied.
  public var standardError: Double { sources.reduce(0) { $0 + $1.variance }.squareRoot() }

  /// The mean and the half-width of its interval on both sides.
  ///
  /// - Parameter level: Nominal coverage, between 0 and 1.
  /// - Returns: Bounds in the unit of the mean.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public func interval(level: Double = 0.95) throws(StatisticsError) -> ConfidenceInterval {
    try requireInnerProbability(level, "The level")
    let half = width { $0.point(within: level) }
    return ConfidenceInterval(
      lower: mean - half, upper: mean + half, level: level, method: method)
  }

  /// The two-sided p-value of a supposed mean; nil where nothing varies.
  public func pValue(against supposed: Double = 0) -> Double? {
    standardError > 0 ? min(1, 2 * upperTail(abs(mean - supposed))) : nil
  }

  /// The chance of an estimate so far above the true mean; the error must not be 0.
  func upperTail(_ distance: Double) -> Double {
    if distance < 0 { return 1 - upperTail(-distance) }
    if sources.count == 1 {
      return Self.distribution(sources[0]).upperTail(distance / standardError)
    }
    if distance == 0 { return 0.5 }
    // The interval of this tail on either side ends at the distance. Tails below 1e-280 are none.
    let logarithm = root(between: -645, and: log(0.5)) { logarithm in
      let tail = exp(logarithm)
      return width { $0.pointAbove(tail) } - distance
    }
    return exp(logarithm)
  }

  /// `√(Σ factor(ν_k)² v_k)`.
  func width(_ factor: (StudentDistribution) -> Double) -> Double {
    sources.reduce(0) { sum, source in
      guard source.variance > 0 else { return sum }
      let size = factor(Self.distribution(source))
      return sum + size * size * source.variance
    }.squareRoot()
  }

  private static func distribution(_ source: Source) -> StudentDistribution {
    // The initializer asks for a degree of freedom, so this cannot throw.
    try! StudentDistribution(degreesOfFreedom: source.degreesOfFreedom)
  }
}

extension StudentDistribution {
  /// The `t` with `P(T > t) = tail`, for a tail in `0...½`.
  fileprivate func pointAbove(_ tail: Double) -> Double {
    tail >= 0.5 ? 0 : pointOfUpperTail(tail) { upperTail($0) }
  }
}

extension MeanEstimate {
  /// The same mean and error, for what takes either kind of estimate.
  public var student: StudentEstimate {
    StudentEstimate(
      mean: mean,
      sources: [
        .init(
          variance: standardError * standardError, degreesOfFreedom: Double(degreesOfFreedom))
      ], method: isClustered ? .clusteredStudentT : .studentT)
  }
}
