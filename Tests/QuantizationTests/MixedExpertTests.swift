import Quantization
import Statistics
import Tensors
import Testing

@Suite("Experts of several bit-widths")
struct MixedExpertTests {
  private func expert(neurons: Int, inputs: Int, outputs: Int, seed: UInt64) -> GatedWeights {
    func weights(_ rows: Int, _ columns: Int, _ part: UInt64) -> Matrix {
      RandomProblem(rows: rows, columns: columns, tokens: 0, seed: seed + part).weights
    }
    return GatedWeights(
      gate: weights(neurons, inputs, 0), up: weights(neurons, inputs, 100),
      down: weights(outputs, neurons, 200))
  }

  private func order(_ count: Int) throws -> NeuronOrder {
    var random = SeededGenerator(seed: 4)
    var neurons = Array(0..<count)
    random.shuffle(&neurons)
    return try NeuronOrder(neurons)
  }

  /// One group to the nearest value of its grid, as ``AffineGrid`` states it.
  private func rounded(_ group: [Float], bits: Int, symmetric: Bool) -> [Float] {
    if bits == 1 {
      let mean = Float(group.reduce(0.0) { $0 + Double(abs($1)) } / Double(group.count))
      let scale = Float(Float16(2 * mean))
      return group.map { $0 >= 0 ? scale / 2 : -scale / 2 }
    }
    let largest = Float((1 << bits) - 1)
    var (low, high) = (min(group.min() ?? 0, 0), max(group.max() ?? 0, 0))
    if symmetric {
      high = max(-low, high)
      low = -high
    }
    let scale = Float(Float16((high - low) / largest))
    let zero =
      symmetric
      ? Float(1 << (bits - 1)) : min(max((-low / scale).rounded(.toNearestOrEven), 0), largest)
    return group.map { weight in
      let code = min(max((weight / scale).rounded(.toNearestOrEven) + zero, 0), largest)
      return scale * (code - zero)
    }
  }

  /// Every group of every slice, one after the other.
  private func byLoops(
    _ expert: GatedWeights, _ order: NeuronOrder, _ split: [(bits: Int, neurons: Int)],
    groupSize: Int?, symmetric: Bool
  ) -> GatedWeights {
    var result = expert
    var start = 0
    for slice in split {
      let neurons = Array(order.neurons[start..<start + slice.neurons])
      start += slice.neurons
      for neuron in neurons {
        let columns = Array(0..<expert.gate.columns)
        for group in columns.chunks(groupSize) {
          let gate = rounded(
            group.map { expert.gate[neuron, $0] }, bits: slice.bits, symmetric: symmetric)
          let up = rounded(
            group.map { expert.up[neuron, $0] }, bits: slice.bits, symmetric: symmetric)
          for (place, column) in group.enumerated() {
            result.gate[neuron, column] = gate[place]
            result.up[neuron, column] = up[place]
          }
        }
      }
      for row in 0..<expert.down.rows {
        for group in neurons.chunks(groupSize) {
          let down = rounded(
            group.map { expert.down[row, $0] }, bits: slice.bits, symmetric: symmetric)
          for (place, neuron) in group.enumerated() { result.down[row, neuron] = down[place] }
        }
      }
    }
    return result
  }

  @Test(
    "weights are those of rounding each group of each slice by itself",
    arguments: [nil, 16, 24, 128] as [Int?], [false, true])
  func weights(groupSize: Int?, symmetric: Bool) throws {
    let expert = expert(neurons: 100, inputs: 40, outputs: 20, seed: 1)
    let order = try order(100)
    let split = [(bits: 8, neurons: 32), (bits: 3, neurons: 32), (bits: 1, neurons: 36)]
    let mixed = try MixedExpert(
      rounding: expert, order: order, split: split,
      family: GridFamily(groupSize: groupSize, symmetric: symmetric))
    #expect(mixed.slices.map(\.bits) == [8, 3, 1])
    #expect(mixed.slices.map(\.neurons) == [32, 32, 36])
    let expected = byLoops(expert, order, split, groupSize: groupSize, symmetric: symmetric)
    #expect(mixed.dequantized() == expected)
  }

  @Test("bits of codes, scales, zero points and permutation are counted one by one")
  func bits() throws {
    let (neurons, inputs, outputs, group) = (100, 40, 20, 24)
    let expert = expert(neurons: neurons, inputs: inputs, outputs: outputs, seed: 1)
    let split = [(bits: 4, neurons: 64), (bits: 1, neurons: 36)]
    for symmetric in [false, true] {
      let mixed = try MixedExpert(
        rounding: expert, order: order(neurons), split: split,
        family: GridFamily(groupSize: group, symmetric: symmetric))
      // Two rows of 40 and a column of 20 for each neuron.
      #expect(mixed.codeBits == (64 * 4 + 36) * 100)
      // Rows of gate and up have two groups, slices of down three and two for each output.
      let scaleBits = (symmetric ? 16 : 20, 16)
      let metadata =
        2 * 2 * (64 * scaleBits.0 + 36 * scaleBits.1) + 20 * (3 * scaleBits.0 + 2 * scaleBits.1)
      // 7 bits tell one of 100 neurons.
      #expect(mixed.metadataBits == metadata + 7 * 100)
    }
  }

  @Test("a permutation takes the bits of an index for each neuron, none for a single slice")
  func permutationBits() {
    #expect(MixedExpert.permutationBits(neurons: 14336, slices: 2) == 14 * 14336)
    #expect(MixedExpert.permutationBits(neurons: 64, slices: 3) == 6 * 64)
    #expect(MixedExpert.permutationBits(neurons: 65, slices: 3) == 7 * 65)
    #expect(MixedExpert.permutationBits(neurons: 64, slices: 1) == 0)
  }

  @Test("a single slice is rounding to nearest with the neurons in their places")
  func singleSlice() throws {
    let expert = expert(neurons: 70, inputs: 40, outputs: 20, seed: 7)
    let family = GridFamily(groupSize: 32, symmetric: false)
    let mixed = try MixedExpert(
      rounding: expert, order: order(70), split: [(bits: 3, neurons: 70)], family: family)
    let grid = try family.grid(bits: 3)
    let parts = try [expert.gate, expert.up, expert.down].map {
      try RoundToNearest.quantize($0, grid: grid)
    }
    #expect([mixed.slices[0].gate, mixed.slices[0].up, mixed.slices[0].down] == parts)
    #expect(mixed.metadataBits == parts.reduce(0) { $0 + $1.metadataBits })
    #expect(mixed.order == .identity(70))
    for part in parts {
      #expect(
        family.metadataBits(rows: part.rows, columns: part.columns, bits: 3) == part.metadataBits)
    }
  }

  @Test("weights that no grid holds are refused")
  func refusals() throws {
    var expert = expert(neurons: 70, inputs: 40, outputs: 20, seed: 7)
    expert.up[69, 3] = .infinity
    let family = GridFamily(groupSize: nil, symmetric: false)
    #expect(throws: QuantizationError.inMatrix(1, .notFiniteWeight(row: 69, column: 3))) {
      try MixedExpert(
        rounding: expert, order: .identity(70), split: [(bits: 3, neurons: 70)], family: family)
    }
    #expect(throws: QuantizationError.unsupportedBits(9)) { try family.grid(bits: 9) }
  }
}

extension [Int] {
  /// Runs of some length, the last may be shorter; nil: all as one.
  fileprivate func chunks(_ size: Int?) -> [[Int]] {
    let size = size ?? count
    return stride(from: 0, to: count, by: size).map {
      Array(self[$0..<Swift.min($0 + size, count)])
    }
  }
}
