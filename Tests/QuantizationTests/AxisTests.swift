import Statistics
import Tensors
import Testing

@testable import Quantization

@Suite("Grouping axes")
struct AxisTests {
  private static let golden = SparseGolden.stored.axes

  private func grid(_ bits: Int = golden.bits, symmetric: Bool = false) throws -> AffineGrid {
    try AffineGrid(bits: bits, groupSize: Self.golden.groupSize, symmetric: symmetric)
  }

  private func digits(_ matrix: AxisGroupedMatrix) throws -> [String] {
    guard case .inputChannel(let stored) = matrix else {
      Issue.record("not by input channel")
      return []
    }
    return (0..<stored.transposed.rows).map { channel in
      stored.transposed.codes(ofRow: channel).map { String($0, radix: 16) }.joined()
    }
  }

  @Test("rounding by input channel has numpy's codes, and both errors are numpy's")
  func nearest() throws {
    let (weights, hessian) = Self.golden.problem
    let rounded = try RoundToNearest.quantize(weights, grid: grid(), along: .inputChannel)
    #expect(try digits(rounded) == Self.golden.inputCodes)
    let decision = try AdaptiveAxis.decide(
      module: "down", weights: weights, grid: grid(), moments: .full(hessian))
    // Values are exact in 32 bits up to one product.
    #expect(abs(decision.inputChannelError / Self.golden.inputError - 1) < 1e-5)
    #expect(abs(decision.outputChannelError / Self.golden.outputError - 1) < 1e-5)
  }

  @Test(
    "GPTQ by input channel has the codes and losses of the reference", arguments: [false, true])
  func solution(activationOrder: Bool) throws {
    let (weights, hessian) = Self.golden.problem
    let golden = activationOrder ? Self.golden.activation : Self.golden.natural
    let columns: ColumnRule = activationOrder ? .activation : .natural
    let factor = try DampedFactor(of: hessian, relativeDamping: 0.01, columns: columns)
    for blockSize in [5, 128] {
      let options = GPTQOptions(columns: columns, blockSize: blockSize)
      let result = try GPTQ(grid: grid(), options: options)
        .quantize(weights, factor: factor, along: .inputChannel)
      #expect(try digits(result.matrix) == golden.codes)
      // Weights and factor in 32 bits against 64.
      #expect(abs(result.loss / golden.loss - 1) < 1e-5)
      let proxy = ProxyLoss.total(weights: weights, quantized: result.matrix, under: hessian)
      #expect(abs(proxy / golden.proxy - 1) < 1e-5)
    }
  }

  @Test(
    "twice the loss is tr(Δ (H + λI) Δᵀ) by either axis", arguments: [1, 2, 4],
    GroupScales.allCases)
  func lossIsTheDampedProxy(bits: Int, scales: GroupScales) throws {
    // 300 rows make two chunks, and the last group is short.
    let problem = RandomProblem(rows: 300, columns: 70, tokens: 250, seed: 3)
    for axis in GroupingAxis.allCases {
      for columns in ColumnRule.allCases {
        let factor = try DampedFactor(
          of: problem.hessian, relativeDamping: 0.01, columns: columns)
        let options = GPTQOptions(columns: columns, scales: scales, blockSize: 32)
        let grid = try AffineGrid(bits: bits, groupSize: 64, symmetric: false)
        let result = try GPTQ(grid: grid, options: options)
          .quantize(problem.weights, factor: factor, along: axis)
        #expect(result.matrix.axis == axis)
        let mean = problem.hessian.trace / 70
        let damped = problem.hessian.adding(toDiagonal: Float(0.01 * mean))
        let proxy = ProxyLoss.total(
          weights: problem.weights, quantized: result.matrix, under: damped)
        // Weights and factor carry 2⁻²⁴.
        #expect(abs(2 * result.loss - proxy) <= 2e-4 * proxy)
      }
    }
  }

  @Test("by input channel a diagonal Hessian gives rounding to nearest", arguments: [1, 3])
  func diagonal(bits: Int) throws {
    let weights = Matrix.heavyTailed(rows: 37, columns: 20, seed: 2)
    let hessian = SymmetricMatrix(order: 20).adding(toDiagonal: 2)
    let factor = try DampedFactor(of: hessian, relativeDamping: 0.01)
    for groupSize in [nil, 8] as [Int?] {
      let grid = try AffineGrid(bits: bits, groupSize: groupSize, symmetric: true)
      #expect(
        try GPTQ(grid: grid).quantize(weights, factor: factor, along: .inputChannel).matrix
          == RoundToNearest.quantize(weights, grid: grid, along: .inputChannel))
    }
  }

  @Test("a channel of large inputs and weights is better off with its own scales")
  func outlierChannel() throws {
    var weights = Matrix.random(rows: 32, columns: 32, seed: 4) { $0.uniform() }
    var inputs = [Float](repeating: 1, count: 32)
    for row in 0..<32 { weights[row, 7] *= 20 }
    inputs[3] = 1000
    let grid = try AffineGrid(bits: 3, groupSize: 16, symmetric: false)
    let byInput = try AdaptiveAxis.decide(
      module: "a", weights: weights, grid: grid, moments: .diagonal(inputs))
    #expect(byInput.axis == .inputChannel && byInput.error == byInput.inputChannelError)
    // Of the transpose it is the other way round.
    let byOutput = try AdaptiveAxis.decide(
      module: "b", weights: weights.transposed, grid: grid,
      moments: .diagonal([Float](repeating: 1, count: 32)))
    #expect(byOutput.axis == .outputChannel && byOutput.error == byOutput.outputChannelError)
  }

  @Test("an error measured elsewhere decides as well, and equal ones leave the output channel")
  func measuredElsewhere() throws {
    let (weights, hessian) = Self.golden.problem
    let own = try AdaptiveAxis.decide(
      module: "o", weights: weights, grid: grid(), moments: .full(hessian))
    let closure = try AdaptiveAxis.decide(module: "o", weights: weights, grid: grid()) {
      ProxyLoss.total(of: difference($0, weights), under: hessian)
    }
    #expect(own == closure)
    #expect(
      AxisDecision(module: "o", outputChannelError: 1, inputChannelError: 1).axis == .outputChannel)
  }

  @Test("metadata is equal for square matrices, and counted as stored for others")
  func bits() throws {
    let square = Matrix.heavyTailed(rows: 32, columns: 32, seed: 5)
    for symmetric in [false, true] {
      let grid = try AffineGrid(bits: 3, groupSize: 8, symmetric: symmetric)
      let both = try GroupingAxis.allCases.map {
        try RoundToNearest.quantize(square, grid: grid, along: $0)
      }
      #expect(both[0].metadataBits == both[1].metadataBits)
      #expect(both[0].codeBits == both[1].codeBits)
    }
    let wide = Matrix.heavyTailed(rows: 20, columns: 48, seed: 6)
    let packed = try RoundToNearest.quantize(wide, grid: grid(), along: .inputChannel)
    // 48 input channels of ⌈20 / 8⌉ groups of a scale and a zero point.
    #expect(packed.metadataBits == 48 * 3 * (16 + 3) && packed.codeBits == 20 * 48 * 3)
    #expect(packed.rows == 20 && packed.columns == 48)
    #expect(try digits(packed).count == 48)
  }

  @Test("dead columns become zero by input channel too")
  func deadColumns() throws {
    let weights = Matrix.heavyTailed(rows: 20, columns: 12, seed: 7)
    var squares = [Float](repeating: 2, count: 12)
    squares[4] = 0
    let factor = try DampedFactor(of: .diagonal(squares), relativeDamping: 0.01)
    let result = try GPTQ(grid: grid()).quantize(weights, factor: factor, along: .inputChannel)
    #expect(result.deadColumns == 1)
    let values = result.matrix.dequantized()
    #expect((0..<20).allSatisfy { values[$0, 4] == 0 })
  }

  @Test("bad input is refused with its place")
  func refusals() throws {
    var weights = Matrix.heavyTailed(rows: 6, columns: 8, seed: 1)
    let moments = SecondMoments.diagonal([Float](repeating: 2, count: 6))
    #expect(throws: QuantizationError.shapesDiffer(weights: [6, 8], hessianOrder: 6)) {
      try AdaptiveAxis.decide(module: "m", weights: weights, grid: grid(), moments: moments)
    }
    weights[2, 5] = 1e9
    let factor = try DampedFactor(
      of: .diagonal([Float](repeating: 2, count: 8)), relativeDamping: 0.01)
    #expect(throws: QuantizationError.self) {
      try RoundToNearest.quantize(weights, grid: grid(), along: .inputChannel)
    }
    do {
      _ = try GPTQ(grid: grid()).quantize(weights, factor: factor, along: .inputChannel)
      Issue.record("no error")
    } catch QuantizationError.scaleOverflow(_, let row, let group) {
      #expect(row == 5 && group == 0)
    }
    weights[2, 5] = .nan
    #expect(throws: QuantizationError.notFiniteWeight(row: 2, column: 5)) {
      try RoundToNearest.quantize(weights, grid: grid(), along: .inputChannel)
    }
    #expect(throws: QuantizationError.notFiniteWeight(row: 2, column: 5)) {
      try GPTQ(grid: grid()).quantize(weights, factor: factor, along: .inputChannel)
    }
    let empty = try RoundToNearest.quantize(
      Matrix(rows: 0, columns: 8), grid: grid(), along: .inputChannel)
    #expect(empty.codeBits == 0 && empty.metadataBits == 0)
  }
}
