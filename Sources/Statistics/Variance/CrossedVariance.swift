/// What makes repeated measurements differ: a random-effects split of a fully crossed table.
///
/// Each cell is one measurement for one choice of every factor, such as (calibration sample, search
/// seed, item). The model is a grand mean, one random effect for every non-empty set of factors, and
/// no replication, so that the highest interaction holds the noise as well. With mean squares `MS_U`
/// and `n_f` levels, the method of moments gives
/// `σ²_U = Σ_{V ⊇ U} (−1)^{|V| − |U|} MS_V / Π_{f ∉ U} n_f`.
///
/// A search seed that means nothing across calibration samples is nested in them: its variance is
/// then the sum of the components `seed` and `calibration × seed`.
/// - SeeAlso: Searle, Casella and McCulloch 1992, "Variance components", chapter 4.
public struct CrossedVariance: Sendable, Equatable {
  /// One axis of the table.
  public struct Factor: Sendable, Equatable {
    public let name: String
    /// Number of levels, at least two.
    public let levels: Int

    public init(_ name: String, levels: Int) {
      self.name = name
      self.levels = levels
    }
  }

  /// What one set of factors contributes.
  public struct Component: Sendable, Equatable {
    /// In the order of the table's axes.
    public let factors: [String]
    public let degreesOfFreedom: Int
    public let meanSquare: Double
    /// Unbiased, negative by chance where the true variance is small.
    public let unbiasedVariance: Double

    /// In squared units of the measurements; 0 where the estimate is negative.
    public var variance: Double { max(0, unbiasedVariance) }
  }

  public let factors: [Factor]
  public let grandMean: Double
  /// All non-empty sets of factors; set `m` stands at `m − 1`, where bit `i` means factor `i`.
  public let components: [Component]

  /// Splits the variance of a complete table.
  ///
  /// - Parameters:
  ///   - values: Finite, row-major: the last factor runs fastest.
  ///   - factors: One to six axes with unlike names.
  /// - Throws: ``StatisticsError`` for a table that is not complete, NaN, or a factor of fewer than
  ///   two levels.
  /// - Complexity: O(values · 2^factors).
  public init(_ values: [Double], factors: [Factor]) throws(StatisticsError) {
    try Self.check(values, factors)
    let table = CrossedEffects(values, levels: factors.map(\.levels))
    let all = 1..<table.setCount
    let meanSquares = all.map { table.sumOfSquares($0) / Double(table.degreesOfFreedom($0)) }
    self.factors = factors
    grandMean = table.grandMean
    components = all.map { set in
      let members = factors.indices.filter { set & (1 << $0) != 0 }
      // Supersets with an even number of further factors add, the others subtract.
      let signed = all.filter { $0 & set == set }.reduce(0.0) { sum, superset in
        let further = (superset & ~set).nonzeroBitCount
        return sum + (further.isMultiple(of: 2) ? 1 : -1) * meanSquares[superset - 1]
      }
      return Component(
        factors: members.map { factors[$0].name },
        degreesOfFreedom: table.degreesOfFreedom(set), meanSquare: meanSquares[set - 1],
        unbiasedVariance: signed / Double(table.valuesPerCell(of: set)))
    }
  }

  private static func check(
    _ values: [Double], _ factors: [Factor]
  ) throws(StatisticsError) {
    guard (1...6).contains(factors.count) else {
      throw .outside("The number of factors", value: "\(factors.count)", allowed: "in 1...6")
    }
    guard Set(factors.map(\.name)).count == factors.count else {
      throw .outside(
        "The list of factors", value: factors.map(\.name).joined(separator: ", "),
        allowed: "free of repeated names")
    }
    var cells = 1
    for factor in factors {
      try requireCount(factor.levels, "levels of \(factor.name)", atLeast: 2)
      let (product, overflows) = cells.multipliedReportingOverflow(by: factor.levels)
      cells = overflows ? .max : product
    }
    try requireSameLength(("values", values.count), ("cells of the table", cells))
    try requireSample(values, "values", atLeast: 2)
  }

  /// The component of a set of factors, in any order.
  ///
  /// - Parameter names: Names of factors; all of them give the residual.
  /// - Returns: That component.
  /// - Throws: ``StatisticsError`` for no name or an unknown one.
  public func component(_ names: String...) throws(StatisticsError) -> Component {
    let set = try mask(names)
    try requireCount(set, "factors", atLeast: 1)
    return components[set - 1]
  }

  /// The share of a component in the variance of one measurement; nil where nothing varies.
  public func share(of component: Component) -> Double? {
    let total = components.reduce(0) { $0 + $1.variance }
    return total > 0 ? component.variance / total : nil
  }

  /// The variance of the grand mean over fresh draws of the named factors, the others held fixed.
  ///
  /// `Σ σ²_U / Π_{f ∈ U} n_f` over all sets `U` with a named factor: with seeds drawn anew and the
  /// same items, items do not add to it.
  ///
  /// - Parameter names: The factors drawn anew.
  /// - Returns: In squared units of the measurements.
  /// - Throws: ``StatisticsError/unknownFactor(_:known:)``.
  public func varianceOfMean(redrawing names: String...) throws(StatisticsError) -> Double {
    let redrawn = try mask(names)
    var sum = 0.0
    for (index, component) in components.enumerated() where (index + 1) & redrawn != 0 {
      let members = factors.indices.filter { (index + 1) & (1 << $0) != 0 }
      sum += component.variance / members.reduce(1.0) { $0 * Double(factors[$1].levels) }
    }
    return sum
  }

  private func mask(_ names: [String]) throws(StatisticsError) -> Int {
    var set = 0
    for name in names {
      guard let index = factors.firstIndex(where: { $0.name == name }) else {
        throw .unknownFactor(name, known: factors.map(\.name))
      }
      set |= 1 << index
    }
    return set
  }
}
