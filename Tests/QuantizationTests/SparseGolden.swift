import Foundation
import Statistics
import Tensors

/// What `Golden/make_sparse_goldens.py` computed with scikit-learn, numpy and PyTorch.
struct SparseGolden: Decodable {
  struct Clusters: Decodable, Sendable {
    let seed: UInt64
    let count: Int
    let clusters: Int
    /// The least loss over all assignments.
    let optimal: Double?
    /// The loss of scikit-learn's KMeans.
    let sklearn: Double?

    /// Exact in 32 bits, but for values of more than 24 bits, which both sides round.
    var points: (values: [Float], weights: [Float]) {
      var random = SeededGenerator(seed: seed)
      guard sklearn != nil else {
        let values = (0..<count).map { _ in Float(random.signed(8)) / 128 }
        return (values, (0..<count).map { _ in Float(random.signed(6) + 32) / 64 })
      }
      let values = (0..<count).map { _ in
        let (first, second) = (random.signed(16), random.signed(16))
        return Float(Double(first * abs(second)) / 0x1p30)
      }
      let weights = (0..<count).map { _ in
        let root = random.signed(12) + 2048
        return Float(root * root) / 0x1p24
      }
      return (values, weights)
    }
  }

  struct Range: Decodable {
    let range: Double
    let threshold: Double
    let indices: [Int]
  }

  struct Outlying: Decodable {
    let seed: UInt64
    let rows: Int
    let columns: Int
    let q1: Double
    let q3: Double
    let ranges: [Range]
    let sensitiveFraction: Double
    let sensitive: [Int]

    var problem: (weights: Matrix, fisher: Matrix) {
      var random = SeededGenerator(seed: seed)
      let weights = (0..<rows * columns).map { _ in
        let root = Double(random.signed(20)) / 0x1p20
        return Float(root * root * root)
      }
      let fisher = (0..<rows * columns).map { _ in Float(random.signed(16) + 1 << 15) / 0x1p16 }
      return (
        Matrix(rows: rows, columns: columns, storage: weights),
        Matrix(rows: rows, columns: columns, storage: fisher)
      )
    }
  }

  let clusters: [Clusters]
  let outliers: Outlying
  let axes: GoldenAxes

  static let stored: SparseGolden = {
    let url = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "Golden/sparse.json")
    do {
      return try JSONDecoder().decode(SparseGolden.self, from: Data(contentsOf: url))
    } catch { fatalError("\(url.path): \(error); run Golden/make_sparse_goldens.py") }
  }()
}

/// Grouping along the inputs and along the outputs.
struct GoldenAxes: Decodable {
  struct Solution: Decodable {
    let codes: [String]
    let loss: Double
    let proxy: Double
  }

  enum CodingKeys: String, CodingKey {
    case seed, rows, columns, groupSize, bits, tokens, inputCodes, inputError, outputError, natural
    case activation = "act-order"
  }

  let seed: UInt64
  let rows: Int
  let columns: Int
  let groupSize: Int
  let bits: Int
  let tokens: Int
  /// Input channel by input channel.
  let inputCodes: [String]
  let inputError: Double
  let outputError: Double
  let natural: Solution
  let activation: Solution

  /// Exact in 32 bits, the Hessian rounded to them on both sides.
  var problem: (weights: Matrix, hessian: SymmetricMatrix) {
    var random = SeededGenerator(seed: seed)
    let weights = (0..<rows * columns).map { _ in Float(random.signed(20)) / 0x1p20 }
    var sums = [Int](repeating: 0, count: columns * (columns + 1) / 2)
    for _ in 0..<tokens {
      let shared = random.signed(4)
      let x = (0..<columns).map { random.signed(4) + shared * (1 + $0 % 3) }
      for row in 0..<columns {
        for column in 0...row { sums[row * (row + 1) / 2 + column] += x[row] * x[column] }
      }
    }
    return (
      Matrix(rows: rows, columns: columns, storage: weights),
      SymmetricMatrix(
        order: columns, packed: sums.map { Float(2 / Double(tokens) * Double($0)) })
    )
  }
}

extension SeededGenerator {
  /// A whole number in -2^(bits-1) ..< 2^(bits-1), as the scripts draw it.
  mutating func signed(_ bits: UInt64) -> Int { Int(next() >> (64 - bits)) - 1 << (bits - 1) }

  /// A number in -1 ..< 1.
  mutating func uniform() -> Float { Float(signed(20)) / 0x1p19 }
}

extension Matrix {
  static func random(
    rows: Int, columns: Int, seed: UInt64, _ value: (inout SeededGenerator) -> Float
  ) -> Matrix {
    var random = SeededGenerator(seed: seed)
    return Matrix(
      rows: rows, columns: columns, storage: (0..<rows * columns).map { _ in value(&random) })
  }

  /// Heavy tails, as weights have.
  static func heavyTailed(rows: Int, columns: Int, seed: UInt64) -> Matrix {
    random(rows: rows, columns: columns, seed: seed) { generator in
      let value = generator.uniform()
      return value * value * value
    }
  }

  /// Squares of gradients: most of them small.
  static func fisher(rows: Int, columns: Int, seed: UInt64) -> Matrix {
    random(rows: rows, columns: columns, seed: seed) { generator in
      let gradient = generator.uniform() * generator.uniform()
      return gradient * gradient
    }
  }
}
