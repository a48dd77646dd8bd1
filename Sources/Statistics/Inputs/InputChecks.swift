/// Throws for fewer than `needed` values, and for one that is NaN or infinite.
func requireSample(
  _ values: [Double], _ what: String, atLeast needed: Int
) throws(StatisticsError) {
  try requireCount(values.count, what, atLeast: needed)
  if let index = values.firstIndex(where: { !$0.isFinite }) {
    throw .notFinite(what, index: index)
  }
}

func requireCount(_ count: Int, _ what: String, atLeast needed: Int) throws(StatisticsError) {
  guard count >= needed else { throw .tooFew(what, count: count, needed: needed) }
}

func requireSameLength(
  _ first: (name: String, count: Int), _ second: (name: String, count: Int)
) throws(StatisticsError) {
  guard first.count == second.count else {
    throw .lengthsDiffer(first.name, first.count, second.name, second.count)
  }
}

/// Throws unless `0 ≤ value ≤ 1`; NaN throws too.
func requireProbability(_ value: Double, _ name: String) throws(StatisticsError) {
  guard (0...1).contains(value) else {
    throw .outside(name, value: "\(value)", allowed: "in 0...1")
  }
}

/// Throws unless `0 < value < 1`: a level, an α or a power.
func requireInnerProbability(_ value: Double, _ name: String) throws(StatisticsError) {
  guard value > 0, value < 1 else {
    throw .outside(name, value: "\(value)", allowed: "between 0 and 1")
  }
}

func requirePositive(_ value: Double, _ name: String) throws(StatisticsError) {
  guard value > 0, value.isFinite else {
    throw .outside(name, value: "\(value)", allowed: "positive and finite")
  }
}
