/// Which levels of one plan meet which levels of the other.
public struct LevelConfusion: Sendable, Equatable {
  /// Bits that either plan gives, ascending.
  public let levels: [Double]
  /// Units by level of the first plan (row) and of the second (column).
  public let counts: [[Int]]

  init(_ a: [Double], _ b: [Double]) {
    let levels = Set(a + b).sorted()
    let places = Dictionary(uniqueKeysWithValues: zip(levels, levels.indices))
    var counts = levels.map { _ in levels.map { _ in 0 } }
    for (bitsA, bitsB) in zip(a, b) {
      guard let row = places[bitsA], let column = places[bitsB] else { continue }
      counts[row][column] += 1
    }
    self.levels = levels
    self.counts = counts
  }

  /// Units of the first plan at each level.
  public var histogramA: [Int] { counts.map { $0.reduce(0, +) } }

  /// Units of the second plan at each level.
  public var histogramB: [Int] {
    levels.indices.map { column in counts.reduce(0) { $0 + $1[column] } }
  }
}
