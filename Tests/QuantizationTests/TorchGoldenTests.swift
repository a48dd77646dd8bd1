import Foundation
import Statistics
import Tensors
import Testing

@testable import Quantization

/// What `Golden/make_goldens.py` computed with PyTorch in 32 bits, for every combination of options.
private struct TorchGolden: Decodable {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let bits: Int
    let groupSize: Int?
    let symmetric: Bool
    let rangeSearch: Bool
    let halfScales: Bool
    let actOrder: Bool
    let scales: String
    let loss: Double
    let proxy: Double
    let codes: [String]
    let nearest: [String]

    var testDescription: String {
      [
        "\(bits) bits", symmetric ? "symmetric" : "asymmetric",
        groupSize.map { "groups of \($0)" } ?? "per row", scales, actOrder ? "act-order" : nil,
        rangeSearch ? "search" : nil, halfScales ? "binary16 scales" : nil,
      ].compactMap(\.self).joined(separator: ", ")
    }

    var grid: AffineGrid {
      get throws {
        try AffineGrid(
          bits: bits, groupSize: groupSize, symmetric: symmetric,
          scaleRounding: halfScales ? .float16 : .exact, symmetricRange: .published,
          rangeSearch: rangeSearch ? RangeSearch() : nil)
      }
    }

    func options(blockSize: Int) throws -> GPTQOptions {
      GPTQOptions(
        columns: actOrder ? .activation : .natural,
        scales: try #require(GroupScales(rawValue: scales)), blockSize: blockSize)
    }
  }

  let seed: UInt64
  let rows: Int
  let columns: Int
  let tokens: Int
  let dead: Int
  let blockSize: Int
  let hessianTrace: Double
  let cases: [Case]

  static let stored: TorchGolden = {
    let url = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "Golden/gptq.json")
    do {
      return try JSONDecoder().decode(TorchGolden.self, from: Data(contentsOf: url))
    } catch { fatalError("\(url.path): \(error); run Golden/make_goldens.py") }
  }()

  /// Exact in 32 bits, so that it is bit by bit the one of the script.
  var problem: (weights: Matrix, hessian: SymmetricMatrix) {
    var random = SeededGenerator(seed: seed)
    func signed(_ bits: UInt64) -> Int { Int(random.next() >> (64 - bits)) - 1 << (bits - 1) }
    let weights = (0..<rows * columns).map { _ in Float(signed(20)) / Float(1 << 20) }
    var sums = [Int](repeating: 0, count: columns * (columns + 1) / 2)
    for _ in 0..<tokens {
      let shared = signed(4)
      var x = (0..<columns).map { signed(4) + shared * (1 + $0 % 3) }
      x[dead] = 0
      for row in 0..<columns {
        for column in 0...row { sums[row * (row + 1) / 2 + column] += x[row] * x[column] }
      }
    }
    return (
      Matrix(rows: rows, columns: columns, storage: weights),
      SymmetricMatrix(order: columns, packed: sums.map { 2 * Float($0) / Float(tokens) })
    )
  }
}

extension PackedMatrix {
  /// Codes as hexadecimal digits, row by row.
  fileprivate var digits: [String] {
    (0..<rows).map { codes(ofRow: $0).map { String($0, radix: 16) }.joined() }
  }
}

@Suite("GPTQ against PyTorch")
struct TorchGoldenTests {
  private static let golden = TorchGolden.stored

  @Test("weights and Hessian are those of the script")
  func problem() {
    let (_, hessian) = Self.golden.problem
    // A sum of 64 numbers that are exact in 32 bits.
    #expect(hessian.trace == Self.golden.hessianTrace)
  }

  @Test("codes and losses are those of PyTorch", arguments: golden.cases)
  fileprivate func solution(golden: TorchGolden.Case) throws {
    let (weights, hessian) = Self.golden.problem
    let result = try GPTQ(
      grid: try golden.grid, options: try golden.options(blockSize: Self.golden.blockSize)
    ).quantize(weights, hessian: hessian)
    #expect(result.deadColumns == 1)
    // No tie is decided differently: all 36,864 codes are equal.
    #expect(result.packed.digits == golden.codes)
    // Both hold weights in 32 bits, the script its factor too.
    #expect(abs(result.loss - golden.loss) < 1e-5 * golden.loss)
    guard golden.halfScales else { return }
    // What is stored is what was evaluated, group indices included.
    let proxy = ProxyLoss.total(weights: weights, quantized: result.packed, under: hessian)
    #expect(abs(proxy - golden.proxy) < 1e-5 * golden.proxy)
  }

  @Test("rounding to nearest has PyTorch's codes", arguments: golden.cases)
  fileprivate func nearest(golden: TorchGolden.Case) throws {
    let packed = try RoundToNearest.quantize(Self.golden.problem.weights, grid: try golden.grid)
    #expect(packed.digits == golden.nearest)
  }
}
