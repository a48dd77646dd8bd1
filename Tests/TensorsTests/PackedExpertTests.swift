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

  @Test(
    "half of 2 and half of 4 bits against 3 bits, an expert of Mixtral",
    .enabled(
      if: ProcessInfo.processInfo.environment["ASSAY_KERNEL_TIMES"] != nil,
      "prints times; a minute of a quiet machine"))
  func mixedAgainstUniform() {
    func slice(bits: Int, neurons: Int) -> PackedExpert.Slice {
      func linear(_ rows: Int, _ columns: Int) -> PackedLinear {
        PackedLinear(
          PackedMatrix(
            rows: rows, columns: columns, bits: bits, groupSize: 128, symmetric: true,
            codes: (0..<rows * columns * bits / 8).map { UInt8(truncatingIfNeeded: $0 &* 37) },
            scales: [UInt16](repeating: Float16(0.01).bitPattern, count: rows * columns / 128),
            zeros: []))
      }
      return .init(
        gate: linear(neurons, 4096), up: linear(neurons, 4096), down: linear(4096, neurons))
    }
    let mixed = PackedExpert(slices: [
      slice(bits: 4, neurons: 7168), slice(bits: 2, neurons: 7168),
    ])
    let uniform = PackedExpert(slices: [slice(bits: 3, neurons: 14_336)])
    #expect(mixed.bytes == uniform.bytes)
    let x = Matrix(rows: 1, columns: 4096, storage: [Float](repeating: 0.5, count: 4096))
    var ratios: [Double] = []
    var seconds: (mixed: [Double], uniform: [Double]) = ([], [])
    for _ in 0..<31 {
      let start = ContinuousClock.now
      _ = mixed.apply(x)
      let middle = ContinuousClock.now
      _ = uniform.apply(x)
      seconds.mixed.append((middle - start) / .seconds(1))
      seconds.uniform.append((ContinuousClock.now - middle) / .seconds(1))
      ratios.append(seconds.mixed[ratios.count] / seconds.uniform[ratios.count])
    }
    print("mixed \(seconds.mixed.sorted()[15] * 1000) ms, uniform", terminator: " ")
    print("\(seconds.uniform.sorted()[15] * 1000) ms, ratio \(ratios.sorted()[15])")
  }
}
