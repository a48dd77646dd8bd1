import Tensors
import Testing

@testable import Quantization

/// METHODS §2.2: computed in float64 by an independent program, damping 0.01.
struct GoldenRow: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let bits: Int
  let groupSize: Int?
  let symmetric: Bool
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

  static let all = [
    GoldenRow(
      testDescription: "3 bits, asymmetric, per row", bits: 3, groupSize: nil, symmetric: false,
      codes: [[1, 7, 4, 2, 0, 5, 1, 0], [7, 3, 1, 6, 4, 1, 7, 4], [0, 6, 3, 0, 6, 3, 1, 7]],
      loss: 0.308823631, proxy: 0.604065146, roundingProxy: 0.689129009),
    GoldenRow(
      testDescription: "2 bits, asymmetric, groups of 4", bits: 2, groupSize: 4, symmetric: false,
      codes: [[0, 3, 2, 0, 0, 3, 2, 0], [3, 1, 0, 3, 2, 0, 3, 2], [0, 3, 1, 1, 3, 2, 0, 3]],
      loss: 0.556124931, proxy: 1.082123833, roundingProxy: 1.370770975),
    GoldenRow(
      testDescription: "2 bits, asymmetric, groups of 2", bits: 2, groupSize: 2, symmetric: false,
      codes: [[0, 3, 3, 0, 0, 3, 3, 0], [3, 1, 0, 3, 2, 0, 3, 0], [0, 3, 2, 0, 3, 1, 0, 3]],
      loss: 0.183234772, proxy: 0.354792954),
    GoldenRow(
      testDescription: "4 bits, symmetric, per row", bits: 4, groupSize: nil, symmetric: true,
      codes: [
        [5, 15, 11, 5, 1, 11, 8, 1], [10, 6, 0, 12, 6, 2, 11, 8], [0, 11, 7, 1, 12, 7, 3, 13],
      ],
      loss: 0.058017301, proxy: 0.109384184, roundingProxy: 0.217133163),
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
    let factor = try DampedFactor(of: GoldenCase.hessian, relativeDamping: 0.01)
    var weights = GoldenCase.weights
    let (tile, loss) = try GPTQ(grid: try row.grid).solve(
      &weights, rows: 0..<3, factor: factor.upper.storage.map { Double($0) })
    for (index, codes) in row.codes.enumerated() {
      #expect((0..<8).map { tile.code(row: index, column: $0) } == codes)
    }
    #expect(abs(loss - row.loss) < tolerance * row.loss)
    let proxy = ProxyLoss.total(
      of: tile.error(against: GoldenCase.weights), under: GoldenCase.hessian)
    #expect(abs(proxy - row.proxy) < tolerance * row.proxy)
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
