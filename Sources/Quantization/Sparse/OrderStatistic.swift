/// The element of a given rank, without sorting.
enum OrderStatistic {
  /// The value that `rank` others precede in rising order.
  ///
  /// Counts the upper halves of the bit patterns, then the lower halves of those that share the upper
  /// one of the answer: two passes whatever the values are.
  ///
  /// - Parameters:
  ///   - rank: `0 ..< values.count`; 0 is the smallest.
  ///   - values: Finite, in any order.
  /// - Returns: An element of `values`.
  static func value(rank: Int, of values: [Float]) -> Float {
    precondition(values.indices.contains(rank), "rank \(rank) of \(values.count)")
    var counts = [Int](repeating: 0, count: 1 << 16)
    for value in values { counts[Int(key(value) >> 16)] += 1 }
    let (upper, rest) = bin(holding: rank, counts)
    counts = [Int](repeating: 0, count: 1 << 16)
    for value in values where key(value) >> 16 == upper { counts[Int(key(value) & 0xFFFF)] += 1 }
    let (lower, _) = bin(holding: rest, counts)
    return self.value(key: upper << 16 | lower)
  }

  /// The `quantile` of some values, between two of them in proportion, as numpy has it (`linear`).
  ///
  /// - Parameters:
  ///   - quantile: 0…1.
  ///   - values: Finite, at least one.
  /// - Returns: A number within the range of the values.
  static func quantile(_ quantile: Double, of values: [Float]) -> Double {
    let position = quantile * Double(values.count - 1)
    let rank = Int(position)
    let low = Double(value(rank: rank, of: values))
    guard rank + 1 < values.count else { return low }
    let high = Double(value(rank: rank + 1, of: values))
    return low + (position - Double(rank)) * (high - low)
  }

  /// Whole numbers in the order of the floats.
  @inline(__always)
  private static func key(_ value: Float) -> UInt32 {
    let bits = value.bitPattern
    return bits >> 31 == 1 ? ~bits : bits | 1 << 31
  }

  private static func value(key: UInt32) -> Float {
    Float(bitPattern: key >> 31 == 1 ? key & ~(1 << 31) : ~key)
  }

  private static func bin(holding rank: Int, _ counts: [Int]) -> (bin: UInt32, rest: Int) {
    var rest = rank
    for (bin, count) in counts.enumerated() {
      if rest < count { return (UInt32(bin), rest) }
      rest -= count
    }
    preconditionFailure("rank \(rank) beyond the counts")
  }
}
