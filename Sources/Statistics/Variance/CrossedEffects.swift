/// Means and effects of a complete table over all sets of its factors; bit `i` of a set is factor `i`.
struct CrossedEffects {
  let grandMean: Double
  private let levels: [Int]
  /// Σ over all values of the squared effect of each set.
  private let sums: [Double]

  init(_ values: [Double], levels: [Int]) {
    let sets = 1 << levels.count
    // Values are centred first, so that a large common mean costs no digits.
    let center = SampleSummary(values)?.mean ?? 0
    let centered = values.map { $0 - center }
    var effects: [[Double]] = []
    var sums: [Double] = []
    for set in 0..<sets {
      let cells = Cells(of: set, levels: levels)
      var effect = cells.means(centered)
      // What the smaller sets explain is taken off; they come earlier in the count.
      for smaller in 0..<set where smaller & set == smaller {
        cells.subtract(effects[smaller], of: Cells(of: smaller, levels: levels), from: &effect)
      }
      let squares = effect.reduce(0) { $0 + $1 * $1 }
      sums.append(squares * Double(values.count / effect.count))
      effects.append(effect)
    }
    self.levels = levels
    self.sums = sums
    grandMean = center
  }

  var setCount: Int { 1 << levels.count }

  func sumOfSquares(_ set: Int) -> Double { sums[set] }

  /// `Π (n_f − 1)` over the set.
  func degreesOfFreedom(_ set: Int) -> Int {
    levels.indices.filter { set & (1 << $0) != 0 }.reduce(1) { $0 * (levels[$1] - 1) }
  }

  /// `Π n_f` over the factors not in the set.
  func valuesPerCell(of set: Int) -> Int {
    levels.indices.filter { set & (1 << $0) == 0 }.reduce(1) { $0 * levels[$1] }
  }
}

/// Where the cells of a set of factors lie, row-major over the factors of the set.
private struct Cells {
  let levels: [Int]
  /// Per factor, what one level adds to the cell number; 0 for a factor outside the set.
  let strides: [Int]
  let count: Int

  init(of set: Int, levels: [Int]) {
    var (strides, count) = ([Int](repeating: 0, count: levels.count), 1)
    for factor in levels.indices.reversed() where set & (1 << factor) != 0 {
      strides[factor] = count
      count *= levels[factor]
    }
    self.levels = levels
    self.strides = strides
    self.count = count
  }

  /// The mean of each cell's values.
  func means(_ values: [Double]) -> [Double] {
    var sums = [Double](repeating: 0, count: count)
    for (index, value) in values.enumerated() { sums[cell(ofValue: index)] += value }
    return sums.map { $0 * Double(count) / Double(values.count) }
  }

  /// Subtracts the effects of a smaller set from the cells of this one.
  func subtract(_ effects: [Double], of smaller: Cells, from cells: inout [Double]) {
    for cell in cells.indices {
      var place = 0
      for factor in levels.indices where strides[factor] > 0 {
        place += cell / strides[factor] % levels[factor] * smaller.strides[factor]
      }
      cells[cell] -= effects[place]
    }
  }

  private func cell(ofValue index: Int) -> Int {
    var (rest, cell) = (index, 0)
    for factor in levels.indices.reversed() {
      cell += rest % levels[factor] * strides[factor]
      rest /= levels[factor]
    }
    return cell
  }
}
