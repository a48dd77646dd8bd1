import Statistics
import Tensors

@testable import Quantization

/// The golden case of METHODS §2.2: 3 rows, 8 columns, 24 tokens.
enum GoldenCase {
  /// W_ij = (((7i + 13j + 5) mod 19) - 9) / 10 in 64 bits: the case has exact ties in decimals,
  /// which only float64 decides as float64 did.
  static let weights: [SIMD16<Double>] = (0..<8).map { j in
    var lanes = SIMD16<Double>()
    for i in 0..<3 {
      let value = (7 * i + 13 * j + 5) % 19 - 9
      lanes[i] = Double(value) / 10
    }
    return lanes
  }

  /// H = (2/T) Xᵀ X.
  static let hessian: SymmetricMatrix = {
    let tokens = 24
    var result = SymmetricMatrix(order: 8)
    for row in 0..<8 {
      for column in 0...row {
        let sum = (0..<tokens).reduce(0) { $0 + input($1, row) * input($1, column) }
        result.packed[row * (row + 1) / 2 + column] = Float(2 * sum / Double(tokens))
      }
    }
    return result
  }()

  private static func input(_ t: Int, _ j: Int) -> Double {
    let value = (11 * t + 17 * j + 3 * t * j) % 23 - 11
    let scale = 1 + Double(j % 3) / 2
    return Double(value) / 7 * scale
  }
}

/// Seeded weights and Hessians of any shape.
struct RandomProblem {
  let weights: Matrix
  let hessian: SymmetricMatrix

  /// Fewer tokens than columns make the Hessian singular.
  init(rows: Int, columns: Int, tokens: Int, seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    func uniform() -> Float { Float(random.below(20001) - 10000) / 10000 }
    weights = Matrix(
      rows: rows, columns: columns, storage: (0..<rows * columns).map { _ in uniform() })
    var sum = SymmetricMatrix(order: columns)
    for _ in 0..<tokens {
      // A shared part makes columns correlate, as activations do.
      let shared = uniform()
      let x = (0..<columns).map { _ in uniform() + shared }
      for row in 0..<columns {
        for column in 0...row {
          sum.packed[row * (row + 1) / 2 + column] += 2 * x[row] * x[column] / Float(tokens)
        }
      }
    }
    hessian = sum
  }
}

/// a - b.
func difference(_ a: Matrix, _ b: Matrix) -> Matrix {
  Matrix(rows: a.rows, columns: a.columns, storage: zip(a.storage, b.storage).map { $0 - $1 })
}

extension SymmetricMatrix {
  func adding(toDiagonal value: Float) -> SymmetricMatrix {
    var result = self
    for index in 0..<order { result.packed[index * (index + 3) / 2] += value }
    return result
  }
}

extension SolvedTile {
  /// ŵ - w with the scales the solver used, rounded to 32 bits at the end.
  func error(against weights: [SIMD16<Scalar>], groupIndex: [Int32]?) -> Matrix {
    tile.error(against: weights, groupIndex: groupIndex)
  }
}

extension GridTile {
  /// ŵ - w with the scales the solver used, rounded to 32 bits at the end.
  func error(against weights: [SIMD16<Scalar>], groupIndex: [Int32]? = nil) -> Matrix {
    var result = Matrix(rows: rows.count, columns: columns)
    let (scales, zeros) = (scales, zeros)
    for row in 0..<rows.count {
      for column in 0..<columns {
        let group = groupIndex.map { Int($0[column]) } ?? column / groupSize
        let zero =
          grid.symmetric ? 1 << (grid.bits - 1) : Int(zeros[row * groups + group])
        let steps = Scalar(Int(code(row: row, column: column)) - zero)
        result[row, column] = Float(scales[row * groups + group] * steps - weights[column][row])
      }
    }
    return result
  }
}
