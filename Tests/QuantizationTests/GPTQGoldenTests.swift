import Tensors
import Testing

@testable import Quantization

/// METHODS §2.2: computed in float64 by an independent program, damping 0.01.
struct GoldenRow: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let bits: Int
  var groupSize: Int?
  var symmetric = false
  var columns = ColumnRule.natural
  var scales = GroupScales.fresh
  /// Row by row, in the order of the columns.
  let codes: [[UInt8]]
  let loss: Double
  let proxy: Double
  var roundingProxy: Double?

  var grid: AffineGrid {
    get throws {
      try AffineGrid(
        bits: bits, groupSize: groupSize, symmetric: symmetric, scaleRounding: .exact)
    }
  }

  var options: GPTQOptions { GPTQOptions(columns: columns, scales: scales) }

  static let all = perRow + groups

  private static let perRow = [
    GoldenRow(
      testDescription: "3 bits, asymmetric, per row", bits: 3,
      codes: [[1, 7, 4, 2, 0, 5, 1, 0], [7, 3, 1, 6, 4, 1, 7, 4], [0, 6, 3, 0, 6, 3, 1, 7]],
      loss: 0.308823631, proxy: 0.604065146, roundingProxy: 0.689129009),
    GoldenRow(
      testDescription: "3 bits, asymmetric, per row, act-order", bits: 3, columns: .activation,
      codes: [[1, 7, 4, 2, 0, 5, 1, 0], [7, 4, 0, 7, 4, 1, 7, 5], [0, 5, 3, 1, 6, 4, 1, 6]],
      loss: 0.217104303, proxy: 0.418718503, roundingProxy: 0.689129009),
    GoldenRow(
      testDescription: "4 bits, symmetric, per row", bits: 4, symmetric: true,
      codes: [
        [5, 15, 11, 5, 1, 11, 8, 1], [10, 6, 0, 12, 6, 2, 11, 8], [0, 11, 7, 1, 12, 7, 3, 13],
      ],
      loss: 0.058017301, proxy: 0.109384184, roundingProxy: 0.217133163),
  ]

  private static let codesOfFours: [[UInt8]] = [
    [0, 3, 2, 0, 0, 3, 2, 0], [3, 1, 0, 3, 2, 0, 3, 2], [0, 3, 1, 1, 3, 2, 0, 3],
  ]

  private static let groups = [
    GoldenRow(
      testDescription: "2 bits, asymmetric, groups of 4, fresh", bits: 2, groupSize: 4,
      codes: codesOfFours, loss: 0.556124931, proxy: 1.082123833, roundingProxy: 1.370770975),
    GoldenRow(
      testDescription: "2 bits, asymmetric, groups of 4, stale", bits: 2, groupSize: 4,
      scales: .stale, codes: codesOfFours, loss: 0.586909441, proxy: 1.152507559,
      roundingProxy: 1.370770975),
    GoldenRow(
      testDescription: "2 bits, asymmetric, groups of 4, static, act-order", bits: 2, groupSize: 4,
      columns: .activation, scales: .fixed, codes: codesOfFours, loss: 0.586909441,
      proxy: 1.152507559, roundingProxy: 1.370770975),
    GoldenRow(
      testDescription: "2 bits, asymmetric, groups of 2, fresh", bits: 2, groupSize: 2,
      codes: [[0, 3, 3, 0, 0, 3, 3, 0], [3, 1, 0, 3, 2, 0, 3, 0], [0, 3, 2, 0, 3, 1, 0, 3]],
      loss: 0.183234772, proxy: 0.354792954),
    GoldenRow(
      testDescription: "2 bits, asymmetric, groups of 2, stale", bits: 2, groupSize: 2,
      scales: .stale,
      codes: [[0, 3, 3, 2, 0, 3, 2, 0], [3, 1, 0, 3, 2, 0, 3, 1], [0, 3, 2, 0, 3, 1, 0, 3]],
      loss: 0.223697113, proxy: 0.435935374),
  ]
}

@Suite("GPTQ against golden numbers")
struct GPTQGoldenTests {
  // The Hessian and its factor are held in 32 bits, the golden numbers in 64.
  let tolerance = 1e-6

  @Test("the Hessian is the one of the golden case")
  func hessian() {
    let diagonal: [Float] = [
      1.926871, 4.010204, 6.884354, 1.782313, 11.112245, 7.054422, 1.722789, 4.059949,
    ]
    for (value, wanted) in zip(GoldenCase.hessian.diagonal, diagonal) {
      #expect(abs(value - wanted) < 1e-6 * wanted)
    }
  }

  @Test("codes, loss and proxy loss are the golden ones", arguments: GoldenRow.all)
  func solution(row: GoldenRow) throws {
    let factor = try DampedFactor(
      of: GoldenCase.hessian, relativeDamping: 0.01, columns: row.columns)
    let solver = ColumnSolver<Double>(grid: try row.grid, options: row.options, factor: factor)
    let solved = try solver.solve([GoldenCase.weights], rows: 0..<3)[0][0]
    for (index, codes) in row.codes.enumerated() {
      #expect((0..<8).map { solved.tile.code(row: index, column: $0) } == codes)
    }
    #expect(abs(solved.loss - row.loss) < tolerance * row.loss)
    let error = solved.error(against: GoldenCase.weights, groupIndex: solver.groupIndex)
    let proxy = ProxyLoss.total(of: error, under: GoldenCase.hessian)
    #expect(abs(proxy - row.proxy) < tolerance * row.proxy)
  }

  @Test("act-order is the golden permutation")
  func actOrder() throws {
    let factor = try DampedFactor(
      of: GoldenCase.hessian, relativeDamping: 0.01, columns: .activation)
    #expect(factor.order.columns == [4, 5, 2, 7, 1, 0, 3, 6])
  }

  @Test("rounding to nearest has the golden proxy loss", arguments: GoldenRow.all)
  func rounding(row: GoldenRow) throws {
    guard let wanted = row.roundingProxy else { return }
    let tile = try RoundToNearest.tile(GoldenCase.weights, grid: try row.grid, rows: 0..<3)
    let proxy = ProxyLoss.total(
      of: tile.error(against: GoldenCase.weights), under: GoldenCase.hessian)
    #expect(abs(proxy - wanted) < tolerance * wanted)
  }
}
