/// Weighted k-means on a line, solved exactly.
///
///     min Σ w_i (x_i - c(i))²  =  Σ w_i x_i²  -  max Σ_clusters (Σ w x)² / Σ w
///
/// The best clusters are runs of the sorted points. With B_m(i) the largest sum of (Σ w x)² / Σ w that
/// m runs of the first i points have,
///
///     B_m(i) = max over j < i of B_{m-1}(j) + (X_i - X_j)² / (Ω_i - Ω_j)
///
/// with prefix sums Ω of w and X of w x. The largest j that is best rises with i, so each row of the
/// table is filled by halving: the middle i first, then both sides with the candidates that are left.
/// All in double precision, values taken relative to their weighted mean. Differences of prefix sums
/// do not see weights below 2⁻⁵³ of the total; points lighter than 2⁻⁴⁰ of it count as that much.
/// - Complexity: O(k n log n) time, 2 k n bytes for up to 65,535 points and 4 k n for more.
/// - SeeAlso: Wang and Song 2011, "Ckmeans.1d.dp", doi:10.32614/RJ-2011-015; Grønlund et al. 2017,
///   arXiv:1701.07204; METHODS §2.4.
enum OptimalClustering {
  /// Finds the best centers.
  ///
  /// - Parameters:
  ///   - points: Sorted, with weights.
  ///   - clusters: k >= 1.
  /// - Returns: min(k, points) centers, rising.
  static func centers(of points: WeightedPoints, clusters: Int) -> [Double] {
    precondition(clusters > 0, "\(clusters) clusters")
    guard points.count > clusters else { return points.values }
    return points.count <= Int(UInt16.max)
      ? RunTable<UInt16>(points).centers(points, clusters: clusters)
      : RunTable<UInt32>(points).centers(points, clusters: clusters)
  }
}

/// The dynamic program; `Start` holds where a run begins.
private struct RunTable<Start: FixedWidthInteger & UnsignedInteger> {
  /// Ω, shape `[n + 1]`.
  private var weights: [Double] = [0]
  /// X, shape `[n + 1]`.
  private var sums: [Double] = [0]

  init(_ points: WeightedPoints) {
    let mean = points.mean(of: 0..<points.count)
    let lightest = points.weights.reduce(0, +) * 0x1p-40
    weights.reserveCapacity(points.count + 1)
    sums.reserveCapacity(points.count + 1)
    var (weight, sum) = (0.0, 0.0)
    for index in 0..<points.count {
      let added = max(points.weights[index], lightest)
      weight += added
      sum += added * (points.values[index] - mean)
      weights.append(weight)
      sums.append(sum)
    }
  }

  func centers(_ points: WeightedPoints, clusters: Int) -> [Double] {
    let n = points.count
    // B_1, then B_m in turn; element i is for the first i points.
    var best = (0...n).map { i in i == 0 ? 0 : gain(0, i) }
    var starts = [Start](repeating: 0, count: clusters * (n + 1))
    var next = best
    for m in 1..<clusters {
      weights.withUnsafeBufferPointer { weights in
        sums.withUnsafeBufferPointer { sums in
          best.withUnsafeBufferPointer { best in
            next.withUnsafeMutableBufferPointer { next in
              starts.withUnsafeMutableBufferPointer { starts in
                guard let weights = weights.baseAddress, let sums = sums.baseAddress,
                  let best = best.baseAddress, let next = next.baseAddress,
                  let starts = starts.baseAddress
                else { return }
                // SAFETY: all hold n + 1 elements from here, and 0 <= j < i <= n throughout.
                let row = TableRow(
                  weights: weights, sums: sums, best: best, next: next,
                  starts: starts + m * (n + 1))
                row.fill(m + 1...n, candidates: m...n - 1)
              }
            }
          }
        }
      }
      // With no more points than runs each is its own run, which no later row asks for.
      swap(&best, &next)
    }
    var (centers, end): ([Double], Int) = ([], n)
    for m in stride(from: clusters - 1, through: 0, by: -1) {
      let start = m == 0 ? 0 : Int(starts[m * (n + 1) + end])
      centers.append(points.mean(of: start..<end))
      end = start
    }
    return centers.reversed()
  }

  private func gain(_ j: Int, _ i: Int) -> Double {
    let sum = sums[i] - sums[j]
    return sum * sum / (weights[i] - weights[j])
  }
}

/// One row B_m of the table, from B_{m-1}.
private struct TableRow<Start: FixedWidthInteger & UnsignedInteger> {
  let weights: UnsafePointer<Double>
  let sums: UnsafePointer<Double>
  let best: UnsafePointer<Double>
  let next: UnsafeMutablePointer<Double>
  let starts: UnsafeMutablePointer<Start>

  /// Fills elements i of a range whose best j are among `candidates`.
  func fill(_ range: ClosedRange<Int>, candidates: ClosedRange<Int>) {
    let middle = (range.lowerBound + range.upperBound) / 2
    let start = bestStart(
      for: middle, from: candidates.lowerBound, to: min(candidates.upperBound, middle - 1))
    starts[middle] = Start(start)
    if range.lowerBound < middle {
      fill(range.lowerBound...middle - 1, candidates: candidates.lowerBound...start)
    }
    if middle < range.upperBound {
      fill(middle + 1...range.upperBound, candidates: start...candidates.upperBound)
    }
  }

  /// Writes B_m(i) and returns its j; of equally good ones any, since each is optimal.
  private func bestStart(for i: Int, from first: Int, to last: Int) -> Int {
    let (weight, sum) = (weights[i], sums[i])
    var (largest, start, j) = (-Double.infinity, first, first)
    if last - first >= 16 {
      var values = SIMD8<Double>(repeating: -.infinity)
      var places = SIMD8<Double>()
      var place = SIMD8<Double>(0, 1, 2, 3, 4, 5, 6, 7) + Double(first)
      while j + 8 <= last + 1 {
        let weights = weight - load(self.weights + j)
        let sums = sum - load(self.sums + j)
        let candidates = load(best + j) + sums * sums / weights
        let better = candidates .> values
        values.replace(with: candidates, where: better)
        places.replace(with: place, where: better)
        place += 8
        j += 8
      }
      for lane in 0..<8 where values[lane] > largest {
        (largest, start) = (values[lane], Int(places[lane]))
      }
    }
    while j <= last {
      let sum = sum - sums[j]
      let candidate = best[j] + sum * sum / (weight - weights[j])
      if candidate > largest { (largest, start) = (candidate, j) }
      j += 1
    }
    next[i] = largest
    return start
  }

  @inline(__always)
  private func load(_ pointer: UnsafePointer<Double>) -> SIMD8<Double> {
    UnsafeRawPointer(pointer).loadUnaligned(as: SIMD8<Double>.self)
  }
}
