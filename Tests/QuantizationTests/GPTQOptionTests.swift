import Statistics
import Tensors
import Testing

@testable import Quantization

/// A way to run the solver.
struct Variant: Sendable, CustomTestStringConvertible {
  let columns: ColumnRule
  let scales: GroupScales
  let storage: MomentStorage
  let searches: Bool

  var testDescription: String {
    "\(columns.rawValue), \(scales.rawValue), \(storage)\(searches ? ", search" : "")"
  }

  static let all: [Variant] = [.natural, .activation].flatMap { columns in
    GroupScales.allCases.flatMap { scales in
      [.full, .blockDiagonal(blockSize: 32), .diagonal].flatMap { storage in
        [false, true].map {
          Variant(columns: columns, scales: scales, storage: storage, searches: $0)
        }
      }
    }
  }

  func options(blockSize: Int = 24) -> GPTQOptions {
    GPTQOptions(columns: columns, scales: scales, blockSize: blockSize)
  }

  func grid(bits: Int, groupSize: Int? = 16) throws -> AffineGrid {
    try AffineGrid(
      bits: bits, groupSize: groupSize, symmetric: false,
      rangeSearch: searches ? RangeSearch() : nil)
  }
}

@Suite("Options of GPTQ")
struct GPTQOptionTests {
  static let problem = RandomProblem(rows: 19, columns: 80, tokens: 300, seed: 21)

  @Test("twice the loss is tr(Δ (H + λI) Δᵀ) under every option", arguments: Variant.all)
  func lossIsTheDampedProxy(variant: Variant) throws {
    let hessian = SecondMoments(Self.problem.hessian, keeping: variant.storage)
    for bits in [1, 3] {
      let result = try GPTQ(grid: try variant.grid(bits: bits), options: variant.options())
        .quantize(Self.problem.weights, hessian: hessian)
      let mean = Self.problem.hessian.trace / 80
      let damped = hessian.dense.adding(toDiagonal: Float(result.damping * mean))
      let proxy = ProxyLoss.total(
        weights: Self.problem.weights, quantized: result.packed, under: damped)
      // Weights and factor carry 2⁻²⁴; the loss is a sum over 1,520 weights.
      #expect(abs(2 * result.loss - proxy) <= 2e-4 * proxy)
    }
  }

  @Test("what is not kept of a Hessian counts as zero", arguments: Variant.all)
  func partsEqualTheirDenseForm(variant: Variant) throws {
    // Act-order sorts the blocks apart, the dense form as a whole.
    guard variant.columns == .natural else { return }
    let hessian = SecondMoments(Self.problem.hessian, keeping: variant.storage)
    // Groups of 16 begin with blocks of 16 columns: stale scales are fresh ones.
    let solver = GPTQ(grid: try variant.grid(bits: 3), options: variant.options(blockSize: 16))
    let parts = try solver.quantize(Self.problem.weights, hessian: hessian)
    let dense = try solver.quantize(Self.problem.weights, hessian: hessian.dense)
    #expect(parts.packed == dense.packed)
    // The products of the dense form sum zeros in another order.
    #expect(abs(parts.loss - dense.loss) <= 1e-6 * dense.loss)
    let difference = Self.problem.weights
    let total = ProxyLoss.total(of: difference, under: hessian)
    #expect(
      abs(total - ProxyLoss.total(of: difference, under: hessian.dense)) <= 1e-12 * abs(total))
  }

  @Test("with a diagonal Hessian every option rounds to nearest", arguments: Variant.all)
  func diagonalIsRounding(variant: Variant) throws {
    let grid = try variant.grid(bits: 3)
    let hessian = SecondMoments(Self.problem.hessian, keeping: .diagonal)
    let result = try GPTQ(grid: grid, options: variant.options())
      .quantize(Self.problem.weights, hessian: hessian)
    #expect(result.packed == (try RoundToNearest.quantize(Self.problem.weights, grid: grid)))
  }

  @Test("act-order does not depend on the order in which columns come", arguments: [2, 4])
  func permutationInvariance(bits: Int) throws {
    var random = SeededGenerator(seed: 5)
    var shuffle = Array(0..<80)
    random.shuffle(&shuffle)
    var shuffled = Matrix(rows: 19, columns: 80)
    for row in 0..<19 {
      for column in 0..<80 { shuffled[row, column] = Self.problem.weights[row, shuffle[column]] }
    }
    let solver = GPTQ(
      grid: try AffineGrid(bits: bits, groupSize: 16, symmetric: false),
      options: GPTQOptions(columns: .activation))
    let plain = try solver.quantize(Self.problem.weights, hessian: Self.problem.hessian)
    let other = try solver.quantize(
      shuffled, hessian: Self.problem.hessian.permuted(by: shuffle))
    #expect(plain.loss == other.loss)
    let (weights, moved) = (plain.packed.dequantized(), other.packed.dequantized())
    for row in 0..<19 {
      for column in 0..<80 { #expect(moved[row, column] == weights[row, shuffle[column]]) }
    }
  }

  @Test("static scales are those of rounding to nearest", arguments: ColumnRule.allCases)
  func staticScales(columns: ColumnRule) throws {
    let grid = try AffineGrid(bits: 3, groupSize: 16, symmetric: false)
    let packed = try GPTQ(grid: grid, options: GPTQOptions(columns: columns, scales: .fixed))
      .quantize(Self.problem.weights, hessian: Self.problem.hessian).packed
    let nearest = try RoundToNearest.quantize(Self.problem.weights, grid: grid)
    #expect(packed.scales == nearest.scales && packed.zeros == nearest.zeros)
    #expect(packed.groupIndex == nil && packed.codes != nearest.codes)
  }

  @Test("groups follow act-order, their index is kept by column, and costs 32 bits a column")
  func groupIndex() throws {
    let grid = try AffineGrid(bits: 3, groupSize: 16, symmetric: false)
    let options = GPTQOptions(columns: .activation)
    let packed = try GPTQ(grid: grid, options: options)
      .quantize(Self.problem.weights, hessian: Self.problem.hessian).packed
    let order = ColumnOrder(
      .activation, diagonal: Self.problem.hessian.diagonal, blockSizes: [80])
    for (position, column) in order.columns.enumerated() {
      #expect(packed.groupOfColumn[column] == position / 16)
    }
    #expect(packed.metadataBits == 19 * 5 * (16 + 3) + 80 * 32)
  }

  @Test("the block size changes nothing but rounding, unless scales are stale")
  func blockSize() throws {
    let grid = try AffineGrid(bits: 3, groupSize: 40, symmetric: false)
    let results = try [1, 16, 40, 64, 128].map {
      try GPTQ(grid: grid, options: GPTQOptions(blockSize: $0))
        .quantize(Self.problem.weights, hessian: Self.problem.hessian)
    }
    for result in results {
      #expect(abs(result.loss - results[0].loss) <= 1e-5 * results[0].loss)
    }
  }

  @Test("a Hessian that stays indefinite, or is zero, names its fallback; other errors have none")
  func fallbacks() throws {
    let solver = GPTQ(grid: try AffineGrid(bits: 4, symmetric: false))
    let weights = Matrix(rows: 1, columns: 2, storage: [1, -0.5])
    // Eigenvalues 1 ± 3: even λ = 1 leaves -1.
    let indefinite = SymmetricMatrix(order: 2, packed: [1, 3, 1])
    let cases: [(Matrix, SymmetricMatrix, RoundingFallback?)] = [
      (weights, indefinite, .roundToNearestAfterFailure),
      (weights, SymmetricMatrix(order: 2), .roundToNearestWithoutTokens),
      (Matrix(rows: 1, columns: 3), indefinite, nil),
    ]
    for (weights, hessian, fallback) in cases {
      let error = #expect(throws: QuantizationError.self) {
        try solver.quantize(weights, hessian: hessian)
      }
      #expect(try RoundingFallback(#require(error)) == fallback)
    }
    let identity = SymmetricMatrix(order: 2, packed: [1, 0, 1])
    #expect(
      try solver.quantize(weights, hessian: identity).packed
        == RoundToNearest.quantize(weights, grid: solver.grid))
  }

  @Test("Hessian blocks that split groups and blocks of no column are refused")
  func refusals() throws {
    let grid = try AffineGrid(bits: 4, groupSize: 16, symmetric: false)
    let hessian = SecondMoments(Self.problem.hessian, keeping: .blockDiagonal(blockSize: 24))
    #expect(throws: QuantizationError.blockSplitsGroup(blockSize: 24, groupSize: 16)) {
      try GPTQ(grid: grid).quantize(Self.problem.weights, hessian: hessian)
    }
    #expect(throws: QuantizationError.unsupportedBlockSize(0)) {
      try GPTQ(grid: grid, options: GPTQOptions(blockSize: 0))
        .quantize(Self.problem.weights, hessian: Self.problem.hessian)
    }
    #expect(throws: QuantizationError.self) {
      try AffineGrid(bits: 4, symmetric: true, rangeSearch: RangeSearch(norm: 0))
    }
  }

  @Test("one bit is the sign times the mean magnitude of the group")
  func oneBit() throws {
    let grid = try AffineGrid(bits: 1, groupSize: 2, symmetric: false)
    let weights = Matrix(rows: 1, columns: 4, storage: [1, -3, 0.5, 0.25])
    let packed = try RoundToNearest.quantize(weights, grid: grid)
    #expect(packed.dequantized().storage == [2, -2, 0.375, 0.375])
    #expect(packed.symmetric && packed.codeBits == 4 && packed.zeros.isEmpty)
  }
}
