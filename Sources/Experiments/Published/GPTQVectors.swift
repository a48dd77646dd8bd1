import Foundation
import Quantization
import Tensors

/// The golden rows of METHODS §2.2: 3 rows, 8 columns, 24 tokens, damping 0.01; computed in f64 by
/// an independent program.
enum GPTQVectors {
  private struct Row {
    let name: String
    let bits: Int
    var groupSize: Int?
    var symmetric = false
    var columns = ColumnRule.natural
    var scales = Quantization.GroupScales.fresh
    /// Row by row.
    let codes: String
    let loss: Double
  }

  private static let rows = [
    Row(name: "3-bit", bits: 3, codes: "17420510 73164174 06306317", loss: 0.308823631),
    Row(
      name: "3-bit, act-order", bits: 3, columns: .activation,
      codes: "17420510 74074175 05316416", loss: 0.217104303),
    Row(
      name: "2-bit g4, fresh", bits: 2, groupSize: 4, codes: "03200320 31032032 03113203",
      loss: 0.556124931),
    Row(
      name: "2-bit g4, stale", bits: 2, groupSize: 4, scales: .stale,
      codes: "03200320 31032032 03113203", loss: 0.586909441),
    Row(
      name: "2-bit g4, static, act-order", bits: 2, groupSize: 4, columns: .activation,
      scales: .fixed, codes: "03200320 31032032 03113203", loss: 0.586909441),
    Row(
      name: "2-bit g2, fresh", bits: 2, groupSize: 2, codes: "03300330 31032030 03203103",
      loss: 0.183234772),
    Row(
      name: "2-bit g2, stale", bits: 2, groupSize: 2, scales: .stale,
      codes: "03320320 31032031 03203103", loss: 0.223697113),
    Row(
      name: "4-bit, symmetric", bits: 4, symmetric: true,
      codes: "5fb51b81 a60c62b8 0b71c73d", loss: 0.058017301),
  ]

  static func checks() throws -> [PublishedCheck] {
    try rows.map { row in
      let factor = try DampedFactor(
        of: hessian(), relativeDamping: 0.01, columns: row.columns)
      let grid = try AffineGrid(
        bits: row.bits, groupSize: row.groupSize, symmetric: row.symmetric, scaleRounding: .exact)
      let result = try GPTQ(
        grid: grid, options: GPTQOptions(columns: row.columns, scales: row.scales)
      ).solveInDouble(weights, factor: factor)
      let codes = result.codes.map { row in
        row.map { String($0, radix: 16) }.joined()
      }.joined(separator: " ")
      return PublishedCheck(
        "GPTQ golden rows", row.name, published: "\(row.codes) \(row.loss)",
        found: "\(codes) \(String(format: "%.9f", result.loss))",
        holds: codes == row.codes && abs(result.loss - row.loss) < 1e-5 * row.loss)
    }
  }

  private static let weights = (0..<3).map { i in
    (0..<8).map { j -> Double in
      let remainder = (7 * i + 13 * j + 5) % 19
      return Double(remainder - 9) / 10
    }
  }

  /// H = 2/T · XᵀX.
  private static func hessian() -> SymmetricMatrix {
    let x = (0..<24).map { token in (0..<8).map { input(token, $0) } }
    var hessian = SymmetricMatrix(order: 8)
    for row in 0..<8 {
      for column in 0...row {
        let sum = x.reduce(0) { $0 + $1[row] * $1[column] }
        hessian.packed[row * (row + 1) / 2 + column] = Float(sum * 2 / 24)
      }
    }
    return hessian
  }

  private static func input(_ t: Int, _ j: Int) -> Double {
    let remainder = (11 * t + 17 * j + 3 * t * j) % 23
    return Double(remainder - 11) / 7 * (1 + 0.5 * Double(j % 3))
  }
}
