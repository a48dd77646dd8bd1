extension CrossedVariance {
  /// The grand mean with its error over fresh draws of all factors.
  ///
  /// `SE² = Σ σ²_U / Π_{f ∈ U} n_f`, and at least `MS_f / Π n` of every single factor, the error with
  /// the other factors held fixed. The degrees of freedom are those of the factor with the fewest
  /// levels: with two or three seeds, Satterthwaite's are too many whenever the mean square of seeds
  /// comes out small by chance. Of one factor this is the plain t.
  /// - SeeAlso: Clark 1973, "The language-as-fixed-effect fallacy",
  ///   doi:10.1016/S0022-5371(73)80014-3; Satterthwaite 1946, doi:10.2307/3002019.
  public var meanEstimate: StudentEstimate {
    let count = factors.reduce(1.0) { $0 * Double($1.levels) }
    var variance = 0.0
    for (index, component) in components.enumerated() {
      let members = factors.indices.filter { (index + 1) & (1 << $0) != 0 }
      variance += component.variance / members.reduce(1.0) { $0 * Double(factors[$1].levels) }
    }
    for factor in factors.indices {
      variance = max(variance, components[(1 << factor) - 1].meanSquare / count)
    }
    let fewest = factors.map(\.levels).min() ?? 2
    return StudentEstimate(
      mean: grandMean, standardError: variance.squareRoot(),
      degreesOfFreedom: Double(fewest - 1),
      method: factors.count == 1 ? .studentT : .crossedStudentT)
  }
}
