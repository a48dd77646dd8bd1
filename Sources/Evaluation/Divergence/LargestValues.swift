/// Finds the largest of many values.
enum LargestValues {
  /// Indices of the `limit` largest values, falling; equal values by rising index.
  ///
  /// Candidates above the current threshold are gathered, and cut back when there are twice as many
  /// as wanted: of values in random order few ever become candidates.
  ///
  /// - Parameters:
  ///   - values: Without NaN.
  ///   - count: How many there are.
  ///   - limit: At most `count`.
  /// - Returns: As many indices as asked for.
  /// - Complexity: O(count + limit · log(count / limit) · log limit) expected.
  static func indices(of values: UnsafePointer<Float>, count: Int, limit: Int) -> [Int32] {
    precondition(limit <= count, "\(limit) of \(count)")
    var candidates: [Int32] = []
    candidates.reserveCapacity(2 * limit)
    var threshold = -Float.infinity
    func cut() {
      candidates.sort {
        let (a, b) = (values[Int($0)], values[Int($1)])
        return a != b ? a > b : $0 < $1
      }
      candidates.removeSubrange(min(limit, candidates.count)...)
    }
    for index in 0..<count where candidates.count < limit || values[index] > threshold {
      candidates.append(Int32(index))
      if candidates.count == 2 * limit {
        cut()
        threshold = values[Int(candidates[limit - 1])]
      }
    }
    cut()
    return candidates
  }
}
