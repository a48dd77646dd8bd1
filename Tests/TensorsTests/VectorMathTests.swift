import Foundation
import Statistics
import Tensors
import Testing

@Suite("Vectorized functions against Foundation in double precision")
struct VectorMathTests {
  /// Multiples of 2⁻¹⁰ within ±40: their differences are exact in f32, so that what is measured is
  /// the exponential alone.
  private func grid(_ count: Int, seed: UInt64) -> [Float] {
    var random = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float(random.below(81_921) - 40_960) / 1024 }
  }

  @Test("e^x is within 2e-7 from -87 to 88, as documented")
  func exponential() {
    let inputs = stride(from: -87 as Float, through: 88, by: 1 / 128).map(\.self)
    var outputs = inputs
    _ = VectorMath.exponentiate(&outputs, count: inputs.count, scale: 1, maximum: 0)
    let worst = zip(inputs, outputs).map { abs(Double($1) / exp(Double($0)) - 1) }.max() ?? 1
    #expect(worst < 2e-7, "\(worst)")
  }

  @Test("e^x underflows to nothing that counts")
  func underflow() {
    var values: [Float] = [-1e30, -200, -88]
    let sum = VectorMath.exponentiate(&values, count: 3, scale: 1, maximum: 0)
    // The documented floor is about 1e-38.
    #expect(values.allSatisfy { 0 <= $0 && $0 < 2e-38 })
    #expect(sum < 1e-37)
  }

  @Test("softmax is within 1e-6 of every probability", arguments: [1, 15, 16, 17, 100, 1000])
  func softmax(count: Int) {
    let inputs = grid(count, seed: 15)
    var outputs = inputs
    VectorMath.softmax(&outputs, count: count, scale: 0.5)
    let largest = Double(inputs.max() ?? 0)
    let exponentials = inputs.map { exp((Double($0) - largest) * 0.5) }
    let sum = exponentials.reduce(0, +)
    // 2e-7 for each exponential and for their sum, and a few roundings of 6e-8.
    for (ours, expected) in zip(outputs, exponentials) {
      #expect(abs(Double(ours) - expected / sum) <= 1e-6 * expected / sum)
    }
  }

  @Test("ln Σ e^x is within 1e-6, at any offset", arguments: [1, 16, 255, 257, 32_000])
  func logSumExp(count: Int) {
    for offset: Float in [0, 512, -512] {
      let inputs = grid(count, seed: 16).map { $0 + offset }
      let largest = Double(inputs.max() ?? 0)
      let expected = largest + log(inputs.reduce(0) { $0 + exp(Double($1) - largest) })
      // The relative error of the sum is the absolute one of its logarithm: 2e-7 and lane sums of
      // sixteen terms.
      #expect(abs(VectorMath.logSumExp(inputs, count: count) - expected) <= 1e-6, "\(offset)")
    }
  }

  @Test("silu(gate) · up is within 1e-6", arguments: [1, 15, 16, 17, 100])
  func swiGLU(count: Int) {
    let (gate, up) = (grid(count, seed: 17), uniform(count, seed: 18))
    var outputs = [Float](repeating: .nan, count: count)
    VectorMath.swiGLU(gate: gate, up: up, into: &outputs, count: count)
    for i in 0..<count {
      let expected = Double(gate[i]) / (1 + exp(-Double(gate[i]))) * Double(up[i])
      // 2e-7 for the exponential and three roundings of 6e-8.
      #expect(abs(Double(outputs[i]) - expected) <= 1e-6 * abs(expected))
    }
  }

  @Test("silu saturates without NaN")
  func swiGLUExtremes() {
    let gate: [Float] = [-1e30, -200, 0, 200, 1e30]
    var outputs = [Float](repeating: .nan, count: 5)
    VectorMath.swiGLU(gate: gate, up: [1, 1, 1, 1, 1], into: &outputs, count: 5)
    #expect(Array(outputs[2...]) == [0, 200, 1e30])
    // Exactly -200 e^-200; the clamped exponential leaves 200 / e^88.
    #expect(abs(outputs[1]) < 1e-35)
  }

  @Test("maximum and sum of squares read every element, whatever the length")
  func reductions() {
    for count in 1...50 {
      let values = grid(count, seed: UInt64(count))
      for largest in 0..<count {
        var values = values
        values[largest] = 41
        #expect(VectorMath.maximum(values, count: count) == 41)
      }
      let expected = values.reduce(0) { $0 + Double($1) * Double($1) }
      // Fifty positive terms in f32.
      let ours = Double(VectorMath.sumOfSquares(values, count: count))
      #expect(abs(ours - expected) <= 50 * 6e-8 * expected)
    }
  }
}
