import Foundation
import Statistics
import Tensors
import Testing

@testable import Quantization

@Suite("Learned clipping")
struct LearnedClippingTests {
  private func noise(rows: Int, columns: Int, seed: UInt64) -> Matrix {
    var random = SeededGenerator(seed: seed)
    return Matrix(
      rows: rows, columns: columns,
      storage: (0..<rows * columns).map { _ in Float.random(in: -1...1, using: &random) })
  }

  @Test("without clipping it is rounding to nearest", arguments: [1, 2, 3, 8], [true, false])
  func unclipped(bits: Int, symmetric: Bool) throws {
    let grid = try AffineGrid(bits: bits, groupSize: 16, symmetric: symmetric)
    let weights = noise(rows: 5, columns: 40, seed: 1)
    // σ(40) is 1 in single precision.
    let clipping = LearnedClipping(grid: grid, rows: 5, columns: 40, start: 40)
    let expected = try RoundToNearest.quantize(weights, grid: grid)
    #expect(try clipping.rounded(weights, on: grid) == expected.dequantized())
    #expect(try clipping.packed(weights, on: grid) == expected)
  }

  @Test("what is stored is what is learned on", arguments: [1, 2, 4])
  func stored(bits: Int) throws {
    let grid = try AffineGrid(bits: bits, groupSize: 8, symmetric: false)
    let weights = noise(rows: 3, columns: 20, seed: 2)
    var clipping = LearnedClipping(grid: grid, rows: 3, columns: 20)
    for index in clipping.upper.indices {
      clipping.upper[index] = Float(index % 5) - 1
      clipping.lower[index] = 2 - Float(index % 3)
    }
    #expect(
      try clipping.packed(weights, on: grid).dequantized()
        == clipping.rounded(weights, on: grid))
  }

  /// Σ C ⊙ ŵ with the codes' roundings and zero points as they are at `fixed`, so that it has slopes.
  private func straightThrough(
    _ weights: Matrix, _ clipping: LearnedClipping, _ grid: AffineGrid, costs: Matrix,
    fixed: (Matrix, LearnedClipping)
  ) -> Double {
    func fit(
      _ weights: Matrix, _ clipping: LearnedClipping, _ row: Int
    ) -> (scale: Double, zero: Double) {
      let values = (0..<weights.columns).map { Double(weights[row, $0]) }
      func logistic(_ x: Float) -> Double { 1 / (1 + exp(-Double(x))) }
      let high = logistic(clipping.upper[row]) * max(values.max()!, 0)
      let low = logistic(clipping.lower[row]) * min(values.min()!, 0)
      let scale = (high - low) / Double(grid.largestCode)
      return (scale, (-low / scale).rounded(.toNearestOrEven))
    }
    var sum = 0.0
    for row in 0..<weights.rows {
      let (now, then) = (fit(weights, clipping, row), fit(fixed.0, fixed.1, row))
      for column in 0..<weights.columns {
        let before = Double(fixed.0[row, column]) / then.scale
        let code = before.rounded(.toNearestOrEven) + then.zero
        let value: Double
        if code < 0 || code > Double(grid.largestCode) {
          value = now.scale * (min(max(code, 0), Double(grid.largestCode)) - then.zero)
        } else {
          // round(w / s) moves as w / s does.
          let moved = Double(weights[row, column]) / now.scale - before
          value = now.scale * (before.rounded(.toNearestOrEven) + moved)
        }
        sum += Double(costs[row, column]) * value
      }
    }
    return sum
  }

  @Test("slopes are those of straight-through rounding, by finite differences")
  func slopes() throws {
    let grid = try AffineGrid(bits: 3, symmetric: false, scaleRounding: .exact)
    let (weights, costs) = (
      noise(rows: 4, columns: 12, seed: 3), noise(rows: 4, columns: 12, seed: 4)
    )
    var clipping = LearnedClipping(grid: grid, rows: 4, columns: 12)
    clipping.upper = [0.5, 1, 2, 4]
    clipping.lower = [1.5, 0.2, 3, 4]
    let gradient = try clipping.gradient(
      of: costs, at: weights, on: grid, throughWeights: true)
    let step: Float = 1e-2
    func slope(_ change: (inout Matrix, inout LearnedClipping, Float) -> Void) -> Double {
      let values = [step, -step].map { step in
        var (w, c) = (weights, clipping)
        change(&w, &c, step)
        return straightThrough(w, c, grid, costs: costs, fixed: (weights, clipping))
      }
      return (values[0] - values[1]) / Double(2 * step)
    }
    for row in 0..<4 {
      let upper = slope { _, c, step in c.upper[row] += step }
      let lower = slope { _, c, step in c.lower[row] += step }
      // Central differences are off by the square of the step.
      #expect(abs(Double(gradient.upper[row]) - upper) < 1e-3, "γ of row \(row)")
      #expect(abs(Double(gradient.lower[row]) - lower) < 1e-3, "β of row \(row)")
      for column in 0..<12 {
        let found = slope { w, _, step in w[row, column] += step / 10 } * 10
        let passed = Double(try #require(gradient.weights)[row, column])
        #expect(abs(passed - found) < 5e-3, "weight \(row), \(column): \(passed), \(found)")
      }
    }
  }
}
