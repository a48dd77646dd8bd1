import Statistics
import Tensors
import Testing

@testable import Quantization

@Suite("Codebooks by weighted k-means")
struct CodebookTests {
  private static let golden = SparseGolden.stored

  private func lloyd(_ points: WeightedPoints, _ clusters: Int, seed: UInt64 = 0) -> [Double] {
    var generator = SeededGenerator(seed: seed)
    return LloydClustering(iterations: 50, tolerance: 1e-4)
      .centers(of: points, clusters: clusters, using: &generator)
  }

  @Test("the program finds the least loss over all assignments")
  func bruteForceOfTheScript() {
    for golden in Self.golden.clusters {
      guard let optimal = golden.optimal else { continue }
      let points = WeightedPoints(golden.points.values, weights: golden.points.weights)
      let centers = OptimalClustering.centers(of: points, clusters: golden.clusters)
      // Sums of at most eight numbers below 1 in double precision.
      #expect(abs(points.loss(centers: centers) - optimal) <= 1e-14)
    }
  }

  @Test("scikit-learn loses at least as much, and Lloyd's method is not far from it")
  func sklearn() {
    for golden in Self.golden.clusters {
      guard let sklearn = golden.sklearn else { continue }
      let points = WeightedPoints(golden.points.values, weights: golden.points.weights)
      let optimal = points.loss(
        centers: OptimalClustering.centers(of: points, clusters: golden.clusters))
      #expect(optimal <= sklearn * (1 + 1e-12))
      // Both are local optima from other draws: 1.01 to 1.18 times the optimum, and 0.86 to 1.09 times
      // each other.
      let lloyd = points.loss(centers: lloyd(points, golden.clusters))
      #expect(optimal <= lloyd * (1 + 1e-12) && lloyd < 1.2 * sklearn)
    }
  }

  /// Least loss over every way to cut the points into runs.
  private func leastLoss(_ points: WeightedPoints, from start: Int, runs: Int) -> Double {
    guard start < points.count else { return 0 }
    guard runs > 0 else { return .infinity }
    return (start + 1...points.count).map { end in
      let run = start..<end
      let mean = points.mean(of: run)
      let loss = run.reduce(0) { sum, index in
        let error = points.values[index] - mean
        return sum + points.weights[index] * error * error
      }
      return loss + leastLoss(points, from: end, runs: runs - 1)
    }.min() ?? .infinity
  }

  @Test("equals brute force over runs on up to 12 points", arguments: 1...12)
  func bruteForce(count: Int) {
    for seed in 0..<20 as Range<UInt64> {
      var random = SeededGenerator(seed: seed)
      let values = (0..<count).map { _ in random.uniform() }
      let weights = (0..<count).map { _ in max(random.uniform(), 0) }
      let points = WeightedPoints(values, weights: weights)
      for clusters in 1...5 {
        let centers = OptimalClustering.centers(of: points, clusters: clusters)
        #expect(centers.count == min(clusters, points.count))
        #expect(centers == centers.sorted())
        let least = leastLoss(points, from: 0, runs: clusters)
        // The program compares sums of about 1 in double precision.
        #expect(abs(points.loss(centers: centers) - least) <= 1e-13)
      }
    }
  }

  @Test("halving the table gives what filling it entirely gives")
  func longRows() {
    for (count, clusters) in [(700, 16), (300, 64), (1000, 3)] {
      let matrix = Matrix.heavyTailed(rows: 1, columns: count, seed: 5)
      let points = WeightedPoints(
        matrix.storage, weights: Matrix.fisher(rows: 1, columns: count, seed: 6).storage)
      let least = quadraticTable(points, clusters: clusters)
      let loss = points.loss(
        centers: OptimalClustering.centers(of: points, clusters: clusters))
      // The loss is what remains of Σ w x² after subtraction.
      #expect(abs(loss - least) <= 1e-12 * points.loss(centers: [0]))
    }
  }

  private func quadraticTable(_ points: WeightedPoints, clusters: Int) -> Double {
    let n = points.count
    var (weights, sums, squares) = ([0.0], [0.0], [0.0])
    for (value, weight) in zip(points.values, points.weights) {
      weights.append(weights[weights.count - 1] + weight)
      sums.append(sums[sums.count - 1] + weight * value)
      squares.append(squares[squares.count - 1] + weight * value * value)
    }
    func cost(_ j: Int, _ i: Int) -> Double {
      let sum = sums[i] - sums[j]
      return squares[i] - squares[j] - sum * sum / (weights[i] - weights[j])
    }
    var best = (0...n).map { $0 == 0 ? 0 : cost(0, $0) }
    for _ in 1..<clusters {
      let before = best
      for i in 1...n {
        for j in 1..<max(i, 1) { best[i] = min(best[i], before[j] + cost(j, i)) }
      }
    }
    return best[n]
  }

  @Test("more bits never lose more", arguments: [false, true])
  func moreBits(weighted: Bool) throws {
    let weights = Matrix.heavyTailed(rows: 6, columns: 300, seed: 3)
    let fisher = Matrix.fisher(rows: 6, columns: 300, seed: 4)
    let importance = weighted ? WeightImportance.fisher(fisher) : .equal
    var before = Double.infinity
    for bits in 1...8 {
      let coded = try CodebookQuantizer(bits: bits).quantize(weights, importance: importance)
      let loss = weightedLoss(coded, weights, importance)
      // Centers are rounded to 11 bits of mantissa, which only at 8 bits is close to the spacing.
      #expect(loss <= before * (1 + 1e-9))
      before = loss
    }
  }

  private func weightedLoss(
    _ coded: CodebookMatrix, _ weights: Matrix, _ importance: WeightImportance
  ) -> Double {
    let error = difference(coded.dequantized(), weights)
    return (0..<weights.rows).reduce(0) { sum, row in
      let costs = importance.values(for: weights, row: row, columns: 0..<weights.columns)
      return sum
        + costs.enumerated().reduce(0) { sum, cost in
          let value = Double(error[row, cost.offset])
          return sum + Double(cost.element) * value * value
        }
    }
  }

  @Test("optimal values lose no more than Lloyd's and than an affine grid", arguments: [2, 3, 4])
  func againstOthers(bits: Int) throws {
    let weights = Matrix.heavyTailed(rows: 9, columns: 256, seed: 8)
    let importance = WeightImportance.fisher(.fisher(rows: 9, columns: 256, seed: 9))
    let optimal = try CodebookQuantizer(bits: bits).quantize(weights, importance: importance)
    let lloyd = try CodebookQuantizer(bits: bits, clustering: .lloyd(seed: 1))
      .quantize(weights, importance: importance)
    // Rounding to binary16 may cost 2⁻¹¹ of a value either way.
    #expect(
      weightedLoss(optimal, weights, importance)
        <= weightedLoss(lloyd, weights, importance) * 1.001)
    let equal = try CodebookQuantizer(bits: bits).quantize(weights)
    let grid = try AffineGrid(bits: bits, symmetric: false)
    let affine = try RoundToNearest.quantize(weights, grid: grid).dequantized().minus(weights)
    #expect(equal.dequantized().minus(weights).squaredNorm < affine.squaredNorm)
  }

  @Test("weights without importance do not move the values")
  func zeroImportance() throws {
    var weights = Matrix.heavyTailed(rows: 2, columns: 64, seed: 1)
    var fisher = Matrix.fisher(rows: 2, columns: 64, seed: 2)
    for column in stride(from: 0, to: 64, by: 5) { fisher[1, column] = 0 }
    let quantizer = try CodebookQuantizer(bits: 3)
    let before = try quantizer.quantize(weights, importance: .fisher(fisher))
    for column in stride(from: 0, to: 64, by: 5) { weights[1, column] = 100 }
    let after = try quantizer.quantize(weights, importance: .fisher(fisher))
    #expect(before.codebooks == after.codebooks)
    #expect(after.codes(ofRow: 1)[5] == 7, "the nearest value is the largest")
  }

  @Test("rows of few distinct weights are kept exactly", arguments: [1, 2, 4])
  func fewValues(bits: Int) throws {
    let values: [Float] = [0.5, -0.25, 0, 0.5, -0.25, 0.5, 0.5, -0.25]
    let distinct = bits == 1 ? values.map { $0 == 0 ? 0.5 : $0 } : values
    let rows = [distinct, [Float](repeating: 0.125, count: 8), [Float](repeating: 0, count: 8)]
    let weights = Matrix(rows: 3, columns: 8, storage: rows.flatMap(\.self))
    for clustering in [Clustering.optimal, .lloyd(seed: 4)] {
      // A weight of 0 has no say where others do (METHODS §2.4), so it is given a value of its own.
      let shifted = Matrix(rows: 3, columns: 8, storage: weights.storage.map { $0 + 0.0625 })
      let coded = try CodebookQuantizer(bits: bits, clustering: clustering).quantize(shifted)
      #expect(coded.dequantized() == shifted)
      let constant = try CodebookQuantizer(bits: bits, clustering: clustering)
        .quantize(Matrix(rows: 2, columns: 8))
      #expect(constant.dequantized() == Matrix(rows: 2, columns: 8))
    }
  }

  @Test("a row in which nothing counts is clustered with equal weights")
  func noImportance() throws {
    let weights = Matrix.heavyTailed(rows: 1, columns: 40, seed: 12)
    let quantizer = try CodebookQuantizer(bits: 2)
    let zero = Matrix(rows: 1, columns: 40)
    #expect(
      try quantizer.quantize(weights, importance: .fisher(zero)) == quantizer.quantize(weights))
  }

  @Test("the diagonal of the Hessian is the Fisher matrix with equal rows")
  func inputs() throws {
    let weights = Matrix.heavyTailed(rows: 3, columns: 40, seed: 12)
    let diagonal = Matrix.fisher(rows: 1, columns: 40, seed: 13).storage
    let fisher = Matrix(rows: 3, columns: 40, storage: diagonal + diagonal + diagonal)
    let quantizer = try CodebookQuantizer(bits: 3, groupSize: 16)
    #expect(
      try quantizer.quantize(weights, importance: .inputs(diagonal))
        == quantizer.quantize(weights, importance: .fisher(fisher)))
  }

  @Test("groups are rows of their own, and every bit is counted")
  func groups() throws {
    let weights = Matrix.heavyTailed(rows: 3, columns: 40, seed: 14)
    let coded = try CodebookQuantizer(bits: 3, groupSize: 16).quantize(weights)
    #expect(coded.codeBits == 3 * 40 * 3 && coded.metadataBits == 3 * 3 * 8 * 16)
    #expect(coded.codebooks.count * 16 == coded.metadataBits)
    #expect(coded.codes.count == 3 * 15)
    let last = try CodebookQuantizer(bits: 3).quantize(weights.columns(32..<40))
    #expect(coded.dequantized().columns(32..<40) == last.dequantized())
  }

  @Test("seeded values are the same again, and differ between seeds")
  func seeds() throws {
    let weights = Matrix.heavyTailed(rows: 16, columns: 200, seed: 15)
    let results = try [1, 1, 2].map { seed in
      try CodebookQuantizer(bits: 4, clustering: .lloyd(seed: seed)).quantize(weights)
    }
    #expect(results[0] == results[1] && results[0] != results[2])
  }

  @Test("weights of very unlike size stay finite")
  func unlikeImportance() {
    let values = (0..<200).map { Float($0) / 200 }
    let weights = (0..<200).map { $0 == 50 ? Float(1e30) : 1e-30 }
    let points = WeightedPoints(values, weights: weights)
    let centers = OptimalClustering.centers(of: points, clusters: 8)
    #expect(centers.allSatisfy { $0.isFinite })
    let distances = centers.map { abs($0 - 0.25) }
    #expect((distances.min() ?? 1) < 1e-9)
  }

  @Test("bad input is refused with its place")
  func refusals() throws {
    let quantizer = try CodebookQuantizer(bits: 2)
    var weights = Matrix.heavyTailed(rows: 2, columns: 8, seed: 1)
    var fisher = Matrix.fisher(rows: 2, columns: 8, seed: 1)
    fisher[1, 3] = -1
    #expect(throws: QuantizationError.negativeSensitivity(row: 1, column: 3, value: -1)) {
      try quantizer.quantize(weights, importance: .fisher(fisher))
    }
    fisher[1, 3] = .nan
    #expect(throws: QuantizationError.notFiniteSensitivity(row: 1, column: 3)) {
      try quantizer.quantize(weights, importance: .fisher(fisher))
    }
    #expect(throws: QuantizationError.sensitivityShape(weights: [2, 8], sensitivity: [2, 7])) {
      try quantizer.quantize(weights, importance: .fisher(Matrix(rows: 2, columns: 7)))
    }
    #expect(throws: QuantizationError.sensitivityShape(weights: [2, 8], sensitivity: [9])) {
      try quantizer.quantize(weights, importance: .inputs([Float](repeating: 1, count: 9)))
    }
    weights[0, 2] = 1e6
    #expect(throws: QuantizationError.valueOverflow(value: 1e6, row: 0, column: 0)) {
      try quantizer.quantize(weights)
    }
    weights[0, 2] = .infinity
    #expect(throws: QuantizationError.notFiniteWeight(row: 0, column: 2)) {
      try quantizer.quantize(weights)
    }
    #expect(throws: QuantizationError.unsupportedBits(9)) { try CodebookQuantizer(bits: 9) }
    #expect(throws: QuantizationError.unsupportedIterations(0)) {
      try CodebookQuantizer(bits: 3, clustering: .lloyd(seed: 0, iterations: 0))
    }
    #expect(throws: QuantizationError.unsupportedTolerance(-1)) {
      try CodebookQuantizer(bits: 3, clustering: .lloyd(seed: 0, tolerance: -1))
    }
    let empty = try quantizer.quantize(Matrix(rows: 2, columns: 0))
    #expect(empty.codeBits == 0 && empty.dequantized() == Matrix(rows: 2, columns: 0))
  }
}
