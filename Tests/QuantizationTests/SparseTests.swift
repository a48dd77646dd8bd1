import Statistics
import Tensors
import Testing

@testable import Quantization

@Suite("Dense and sparse")
struct SparseTests {
  private static let golden = SparseGolden.stored.outliers
  private static let rule = OutlierRule(sensitiveFraction: 0.01, range: .fraction(0.02))

  @Test("quartiles, thresholds and outliers are those of numpy")
  func ranges() throws {
    let weights = Self.golden.problem.weights
    let quartiles = QuartileRange(of: weights)
    // Interpolation in double precision on both sides.
    #expect(abs(quartiles.first - Self.golden.q1) < 1e-15)
    #expect(abs(quartiles.third - Self.golden.q3) < 1e-15)
    for golden in Self.golden.ranges {
      let outliers = try OutlierRule(range: .quartiles(golden.range)).outliers(in: weights)
      #expect(outliers.indices == golden.indices)
      #expect(abs(quartiles.threshold(range: golden.range) - golden.threshold) < 1e-15)
    }
  }

  @Test("sensitive values are those of PyTorch's top-k")
  func sensitive() throws {
    let (weights, fisher) = Self.golden.problem
    let outliers = try OutlierRule(sensitiveFraction: Self.golden.sensitiveFraction)
      .outliers(in: weights, fisher: fisher)
    #expect(outliers.indices == Self.golden.sensitive)
    #expect(outliers.sensitiveCount == Self.golden.sensitive.count)
  }

  @Test(
    "the range for a share of a model's weights gives that share", arguments: [0.001, 0.004, 0.05])
  func share(fraction: Double) throws {
    let matrices = [
      Matrix.heavyTailed(rows: 40, columns: 100, seed: 1),
      Matrix.heavyTailed(rows: 20, columns: 300, seed: 2), Matrix(rows: 3, columns: 4),
    ]
    let range = try QuartileRange.range(for: matrices, fraction: fraction)
    var count = 0
    for matrix in matrices {
      count += try OutlierRule(range: .quartiles(range)).outliers(in: matrix).indices.count
    }
    // A tie or the rounding of r to 32 bits may move one weight.
    #expect(abs(count - Int(fraction * 10_012)) <= 1)
  }

  @Test("an order statistic is the element of the sorted array")
  func ranks() {
    let values = Matrix.heavyTailed(rows: 1, columns: 301, seed: 3).storage + [0, 0, -0.5, -0.5]
    let sorted = values.sorted()
    for rank in values.indices {
      #expect(OrderStatistic.value(rank: rank, of: values) == sorted[rank])
    }
  }

  @Test("dense and sparse add up: outliers are kept, the others are the dense part's")
  func sum() throws {
    let weights = Matrix.heavyTailed(rows: 20, columns: 90, seed: 4)
    let fisher = Matrix.fisher(rows: 20, columns: 90, seed: 5)
    let outliers = try Self.rule.outliers(in: weights, fisher: fisher)
    let coded = try CodebookQuantizer(bits: 3)
      .quantize(weights, importance: .fisher(fisher), keeping: outliers)
    try expectKept(coded, weights, outliers)
    let grid = try AffineGrid(bits: 3, groupSize: 16, symmetric: false)
    try expectKept(
      RoundToNearest.quantize(weights, grid: grid, keeping: outliers), weights, outliers)
    // One bit has no code for 0.
    let sign = try AffineGrid(bits: 1, groupSize: 16, symmetric: true)
    try expectKept(
      RoundToNearest.quantize(weights, grid: sign, keeping: outliers), weights, outliers)
  }

  private func expectKept(
    _ coded: DenseAndSparse<some QuantizedMatrix>, _ weights: Matrix, _ outliers: Outliers
  ) throws {
    let (sum, dense) = (coded.dequantized(), coded.dense.dequantized())
    let kept = Set(outliers.indices)
    for index in weights.storage.indices {
      let weight = weights.storage[index]
      if kept.contains(index) {
        // Half a unit of binary16, of the weight minus the dense part, both at most 1.
        #expect(abs(sum.storage[index] - weight) <= 0x1p-11)
      } else {
        #expect(sum.storage[index] == dense.storage[index])
      }
    }
    #expect(coded.sparse.count == outliers.indices.count)
    #expect(coded.metadataBits == coded.dense.metadataBits + coded.sparse.storedBits)
  }

  @Test("affine grids hold 0, so that the sparse part has the outliers themselves")
  func zeroIsOnTheGrid() throws {
    let weights = Matrix.heavyTailed(rows: 4, columns: 64, seed: 6)
    let outliers = try OutlierRule(range: .fraction(0.05)).outliers(in: weights)
    for symmetric in [false, true] {
      let grid = try AffineGrid(bits: 2, groupSize: 32, symmetric: symmetric)
      let coded = try RoundToNearest.quantize(weights, grid: grid, keeping: outliers)
      #expect(
        coded.dense == (try RoundToNearest.quantize(outliers.removed(from: weights), grid: grid)))
      for element in coded.sparse.elements {
        #expect(element.value == Float(Float16(weights[element.row, element.column])))
      }
    }
  }

  @Test("taking out planted outliers makes every method lose less", arguments: [2, 3, 4])
  func outliersHelp(bits: Int) throws {
    let problem = RandomProblem(rows: 32, columns: 96, tokens: 300, seed: 7)
    var weights = Matrix.random(rows: 32, columns: 96, seed: 8) { $0.uniform() / 8 }
    for index in stride(from: 5, to: 32 * 96, by: 53) { weights.storage[index] *= 10 }
    let outliers = try OutlierRule(range: .fraction(0.02)).outliers(in: weights)
    let grid = try AffineGrid(bits: bits, groupSize: 32, symmetric: false)
    func loss(_ quantized: some QuantizedMatrix) -> Double {
      ProxyLoss.total(weights: weights, quantized: quantized, under: problem.hessian)
    }
    let factor = try DampedFactor(of: problem.hessian, relativeDamping: 0.01)
    #expect(
      try loss(RoundToNearest.quantize(weights, grid: grid, keeping: outliers))
        < loss(RoundToNearest.quantize(weights, grid: grid)))
    let solver = GPTQ(grid: grid)
    #expect(
      try loss(solver.quantize(weights, factor: factor, keeping: outliers).matrix)
        < loss(solver.quantize(weights, factor: factor).packed))
    let codebooks = try CodebookQuantizer(bits: bits)
    let importance = WeightImportance.inputs(problem.hessian.diagonal)
    #expect(
      try loss(codebooks.quantize(weights, importance: importance, keeping: outliers))
        < loss(codebooks.quantize(weights, importance: importance)))
  }

  @Test(
    "twice the loss of GPTQ is tr(Δ (H + λI) Δᵀ) of the sum of both parts",
    arguments: [1, 2, 3, 4], GroupScales.allCases)
  func lossIsTheDampedProxy(bits: Int, scales: GroupScales) throws {
    let problem = RandomProblem(rows: 37, columns: 130, tokens: 400, seed: 9)
    let weights = Matrix.heavyTailed(rows: 37, columns: 130, seed: 10)
    let outliers = try OutlierRule(range: .fraction(0.03)).outliers(in: weights)
    for columns in ColumnRule.allCases {
      let grid = try AffineGrid(bits: bits, groupSize: 32, symmetric: false)
      let factor = try DampedFactor(
        of: problem.hessian, relativeDamping: 0.01, columns: columns)
      let options = GPTQOptions(columns: columns, scales: scales, blockSize: 48)
      let (matrix, result) = try GPTQ(grid: grid, options: options)
        .quantize(weights, factor: factor, keeping: outliers)
      #expect(matrix.sparse.count == outliers.indices.count && matrix.dense == result.packed)
      let mean = problem.hessian.trace / 130
      let damped = problem.hessian.adding(toDiagonal: Float(0.01 * mean))
      let proxy = ProxyLoss.total(weights: weights, quantized: matrix, under: damped)
      // Weights and factor carry 2⁻²⁴.
      #expect(abs(2 * result.loss - proxy) <= 2e-4 * proxy)
    }
  }

  @Test("keeping outliers as updated loses less than keeping them as they were")
  func updatedOutliers() throws {
    let problem = RandomProblem(rows: 32, columns: 96, tokens: 300, seed: 7)
    let weights = Matrix.heavyTailed(rows: 32, columns: 96, seed: 8)
    let outliers = try OutlierRule(range: .fraction(0.02)).outliers(in: weights)
    let grid = try AffineGrid(bits: 3, groupSize: 32, symmetric: false)
    let factor = try DampedFactor(of: problem.hessian, relativeDamping: 0.01)
    let matrix = try GPTQ(grid: grid).quantize(weights, factor: factor, keeping: outliers).matrix
    let original = DenseAndSparse(
      dense: matrix.dense,
      sparse: try outliers.sparsePart(of: weights, beyond: matrix.dense.dequantized()))
    #expect(
      ProxyLoss.total(weights: weights, quantized: matrix, under: problem.hessian)
        < ProxyLoss.total(weights: weights, quantized: original, under: problem.hessian))
  }

  @Test("without outliers GPTQ is what it was; with a diagonal Hessian it is rounding to nearest")
  func limits() throws {
    let problem = RandomProblem(rows: 20, columns: 48, tokens: 200, seed: 11)
    let grid = try AffineGrid(bits: 3, groupSize: 16, symmetric: false)
    let factor = try DampedFactor(of: problem.hessian, relativeDamping: 0.01)
    let none = Outliers(rows: 20, columns: 48, indices: [])
    let solved = try GPTQ(grid: grid).quantize(problem.weights, factor: factor, keeping: none)
    #expect(solved.result == (try GPTQ(grid: grid).quantize(problem.weights, factor: factor)))
    #expect(solved.matrix.sparse.count == 0)
    let outliers = try OutlierRule(range: .fraction(0.05)).outliers(in: problem.weights)
    let diagonal = SymmetricMatrix(order: 48).adding(toDiagonal: 2)
    let identity = try DampedFactor(of: diagonal, relativeDamping: 0.01)
    #expect(
      try GPTQ(grid: grid).quantize(problem.weights, factor: identity, keeping: outliers).matrix
        == RoundToNearest.quantize(problem.weights, grid: grid, keeping: outliers))
  }

  @Test("the published 3.26 bits, and 3.18 with indices of 16 bits")
  func publishedBits() {
    let (side, count) = (4096, Int(0.0045 * 4096 * 4096))
    let dense = CodebookMatrix(
      rows: side, columns: side, bits: 3, groupSize: side,
      codes: [UInt8](repeating: 0, count: side * side * 3 / 8),
      codebooks: [UInt16](repeating: 0, count: side * 8))
    let sparse = SparseMatrix(
      rows: side, columns: side, rowStarts: (0...side).map { UInt32(min($0 * 19, count)) },
      columnIndices: (0..<count).map { UInt16($0 % 19 * 200) },
      values: [UInt16](repeating: 0, count: count))
    let ours = DenseAndSparse(dense: dense, sparse: sparse)
    let weights = Double(side * side)
    let share = Double(count) / weights
    let starting = 32 * Double(side + 1) / weights
    #expect(ours.bitsPerWeight == 3 + 128.0 / 4096 + share * 32 + starting)
    #expect((ours.bitsPerWeight * 100).rounded() == 318)
    // METHODS §2.4: 3 + 0.031 + 0.216 + 0.008 with indices of 32 bits, as the published code has them.
    let published = ours.bitsPerWeight + 16 * share
    #expect(abs(published - (3 + 0.031 + 0.216 + 0.008)) < 0.001)
    #expect((published * 100).rounded() == 326)
    // What is counted is what is held.
    #expect(ours.codeBits == 8 * dense.codes.count)
    #expect(
      ours.metadataBits
        == 16 * (dense.codebooks.count + 2 * count) + 32 * ours.sparse.rowStarts.count)
  }

  @Test("zeros, constants and empty matrices have no outliers")
  func nothingToKeep() throws {
    let fisher = Matrix.fisher(rows: 3, columns: 40, seed: 1)
    let rules = [
      OutlierRule(), OutlierRule(sensitiveFraction: 0.1),
      OutlierRule(range: .quartiles(1.5)), OutlierRule(range: .fraction(0.1)),
    ]
    for rule in rules {
      #expect(
        try rule.outliers(in: Matrix(rows: 3, columns: 40), fisher: fisher).indices.isEmpty)
      #expect(
        try rule.outliers(
          in: Matrix(rows: 0, columns: 40), fisher: Matrix(rows: 0, columns: 40)
        ).indices.isEmpty)
    }
    let constant = Matrix(rows: 3, columns: 40, storage: [Float](repeating: 2, count: 120))
    for rule in rules[2...] { #expect(try rule.outliers(in: constant).indices.isEmpty) }
  }

  @Test("bad input is refused")
  func refusals() throws {
    var weights = Matrix.heavyTailed(rows: 2, columns: 8, seed: 1)
    #expect(throws: QuantizationError.noSensitivity(fraction: 0.1)) {
      try OutlierRule(sensitiveFraction: 0.1).outliers(in: weights)
    }
    #expect(throws: QuantizationError.unsupportedFraction(1)) {
      try OutlierRule(range: .fraction(1)).outliers(in: weights)
    }
    #expect(throws: QuantizationError.unsupportedFraction(-0.5)) {
      try OutlierRule(sensitiveFraction: -0.5).outliers(in: weights)
    }
    #expect(throws: QuantizationError.unsupportedRange(-1)) {
      try OutlierRule(range: .quartiles(-1)).outliers(in: weights)
    }
    #expect(throws: QuantizationError.sensitivityShape(weights: [2, 8], sensitivity: [8, 2])) {
      try Self.rule.outliers(in: weights, fisher: Matrix(rows: 8, columns: 2))
    }
    let grid = try AffineGrid(bits: 3, symmetric: false)
    let others = Outliers(rows: 3, columns: 8, indices: [1])
    #expect(throws: QuantizationError.outlierShape(weights: [2, 8], outliers: [3, 8])) {
      try RoundToNearest.quantize(weights, grid: grid, keeping: others)
    }
    weights[1, 4] = 1e5
    let outliers = Outliers(rows: 2, columns: 8, indices: [12])
    let overflow = QuantizationError.valueOverflow(value: 1e5, row: 1, column: 4)
    #expect(throws: overflow) {
      try RoundToNearest.quantize(weights, grid: grid, keeping: outliers)
    }
    let diagonal = SymmetricMatrix(order: 8).adding(toDiagonal: 2)
    let factor = try DampedFactor(of: diagonal, relativeDamping: 0)
    #expect(throws: overflow) {
      try GPTQ(grid: grid).quantize(weights, factor: factor, keeping: outliers)
    }
    let wide = Matrix(rows: 1, columns: 70_000)
    #expect(throws: QuantizationError.tooManyColumns(70_000)) {
      try RoundToNearest.quantize(
        wide, grid: grid, keeping: Outliers(rows: 1, columns: 70_000, indices: [1]))
    }
    weights[0, 1] = .nan
    #expect(throws: QuantizationError.notFiniteWeight(row: 0, column: 1)) {
      try OutlierRule().outliers(in: weights)
    }
    #expect(throws: QuantizationError.notFiniteWeight(row: 0, column: 1)) {
      try QuartileRange.range(for: [weights], fraction: 0.01)
    }
  }
}
