import Foundation
import Quantization
import Statistics
import Tensors
import Testing

@Suite("Order of neurons")
struct NeuronOrderTests {
  private func order(_ count: Int, seed: UInt64) throws -> NeuronOrder {
    var random = SeededGenerator(seed: seed)
    var neurons = Array(0..<count)
    random.shuffle(&neurons)
    return try NeuronOrder(neurons)
  }

  @Test("an order and its inverse undo each other on rows and columns")
  func inverse() throws {
    let order = try order(37, seed: 2)
    let matrix = RandomProblem(rows: 37, columns: 37, tokens: 0, seed: 3).weights
    #expect(order.inverse.rows(of: order.rows(of: matrix)) == matrix)
    #expect(order.inverse.columns(of: order.columns(of: matrix)) == matrix)
    #expect(order.inverse.inverse == order)
    #expect(order.columns(of: matrix) == order.rows(of: matrix.transposed).transposed)
    for (position, neuron) in order.neurons.enumerated() {
      #expect(order.rows(of: matrix)[position, 5] == matrix[neuron, 5])
    }
    #expect(NeuronOrder.identity(37).rows(of: matrix) == matrix)
  }

  @Test("neurons fall by value, ties by index")
  func falling() {
    #expect(NeuronOrder(falling: [1, 3, 3, -2, 7, 1]).neurons == [4, 1, 2, 0, 5, 3])
    #expect(NeuronOrder(falling: []).neurons == [])
  }

  @Test("what is no permutation is refused with its place")
  func refusals() {
    #expect(throws: NeuronOrderError.repeated(neuron: 1, position: 2)) {
      try NeuronOrder([0, 1, 1])
    }
    #expect(throws: NeuronOrderError.outOfRange(neuron: 3, position: 0, neurons: 3)) {
      try NeuronOrder([3, 1, 1])
    }
    #expect(throws: NeuronOrderError.outOfRange(neuron: -1, position: 1, neurons: 2)) {
      try NeuronOrder([0, -1])
    }
  }

  /// y = down · (silu(gate · x) ⊙ (up · x)) in f64 with some of the neurons.
  private func output(_ expert: GatedWeights, neurons: Range<Int>, _ x: [Double]) -> [Double] {
    func dot(_ matrix: Matrix, _ row: Int) -> Double {
      x.indices.reduce(0) { $0 + Double(matrix[row, $1]) * x[$1] }
    }
    var y = [Double](repeating: 0, count: expert.down.rows)
    for neuron in neurons {
      let gate = dot(expert.gate, neuron)
      let hidden = gate / (1 + exp(-gate)) * dot(expert.up, neuron)
      for row in y.indices { y[row] += Double(expert.down[row, neuron]) * hidden }
    }
    return y
  }

  @Test("an expert computes the same in any order, and as the sum of its slices", arguments: 0..<4)
  func functionIsPreserved(seed: Int) throws {
    let (neurons, inputs, outputs) = (96, 40, 24)
    func weights(_ rows: Int, _ columns: Int, _ part: Int) -> Matrix {
      RandomProblem(rows: rows, columns: columns, tokens: 0, seed: UInt64(10 * seed + part)).weights
    }
    let expert = GatedWeights(
      gate: weights(neurons, inputs, 0), up: weights(neurons, inputs, 1),
      down: weights(outputs, neurons, 2))
    let sorted = try order(neurons, seed: UInt64(seed)).applied(to: expert)
    var random = SeededGenerator(seed: UInt64(seed))
    let x = (0..<inputs).map { _ in Double(random.below(2001) - 1000) / 1000 / Double(inputs) }
    let expected = output(expert, neurons: 0..<neurons, x)
    var sliced = [Double](repeating: 0, count: outputs)
    for slice in [0..<32, 32..<64, 64..<96] {
      for (row, value) in output(sorted, neurons: slice, x).enumerated() { sliced[row] += value }
    }
    // Sums of 96 terms below 1 in another order: some 1e-14.
    let whole = output(sorted, neurons: 0..<neurons, x)
    #expect(zip(expected, whole).allSatisfy { abs($0 - $1) < 1e-12 })
    #expect(zip(expected, sliced).allSatisfy { abs($0 - $1) < 1e-12 })
    #expect(expected.contains { abs($0) > 1e-3 })
  }
}
