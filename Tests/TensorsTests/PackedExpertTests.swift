import Foundation
import Testing

@testable import Tensors

@Suite("Experts of several bit-widths")
struct PackedExpertTests {
  private let inputs = 96
  private let outputs = 70

  private func slice(bits: Int, neurons: Int, groupSize: Int) -> [PackedMatrix] {
    [(neurons, inputs), (neurons, inputs), (outputs, neurons)].enumerated().map { place, shape in
      randomPacked(
        rows: shape.0, columns: shape.1, bits: bits, groupSize: groupSize, symmetric: bits > 2,
        seed: UInt64(10 * bits + place))
    }
  }

  /// down · (silu(gate x) ⊙ up x) in f64.
  private func expected(_ parts: [[PackedMatrix]], x: [Float]) -> [Double] {
    var result = [Double](repeating: 0, count: outputs)
    for part in parts {
      let input = Matrix(rows: 1, columns: inputs, storage: x)
      let gate = reference(input, part[0].dequantized()).product
      let up = reference(input, part[1].dequantized()).product
      let hidden = zip(gate, up).map { $0 / (1 + exp(-$0)) * $1 }
      let down = part[2].dequantized()
      for row in 0..<outputs {
        for neuron in hidden.indices { result[row] += Double(down[row, neuron]) * hidden[neuron] }
      }
    }
    return result
  }

  @Test("slices add up to the expert, for any number of tokens", arguments: [1, 2, 3, 8, 11])
  func addsUp(tokens: Int) {
    let parts = [
      slice(bits: 4, neurons: 64, groupSize: 32), slice(bits: 3, neurons: 100, groupSize: 32),
      slice(bits: 1, neurons: 7, groupSize: 64),
    ]
    let expert = PackedExpert(
      slices: parts.map {
        .init(gate: PackedLinear($0[0]), up: PackedLinear($0[1]), down: PackedLinear($0[2]))
      })
    #expect(expert.neurons == 171)
    let x = Matrix(rows: tokens, columns: inputs, storage: uniform(tokens * inputs, seed: 20))
    for level in KernelLevel.available {
      let y = expert.apply(x, level: level)
      for token in 0..<tokens {
        let reference = expected(
          parts, x: Array(x.storage[token * inputs..<(token + 1) * inputs]))
        let largest = reference.map { abs($0) }.max() ?? 0
        for (output, value) in reference.enumerated() {
          // Two f32 products and a silu of relative error below 1e-6 in between.
          #expect(abs(Double(y[token, output]) - value) <= 1e-5 * largest, "\(level)")
        }
      }
    }
  }
}
