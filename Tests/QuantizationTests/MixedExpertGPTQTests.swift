import Statistics
import Tensors
import Testing

@testable import Quantization

@Suite("GPTQ of experts of several bit-widths")
struct MixedExpertGPTQTests {
  private let neurons = 96
  private let inputs = 40
  private let outputs = 24
  private let family = GridFamily(groupSize: 32, symmetric: false)
  private let split = [(bits: 4, neurons: 32), (bits: 3, neurons: 32), (bits: 2, neurons: 32)]

  private var weights: GatedWeights {
    GatedWeights(
      gate: RandomProblem(rows: neurons, columns: inputs, tokens: 0, seed: 1).weights,
      up: RandomProblem(rows: neurons, columns: inputs, tokens: 0, seed: 2).weights,
      down: RandomProblem(rows: outputs, columns: neurons, tokens: 0, seed: 3).weights)
  }

  private var input: SymmetricMatrix {
    RandomProblem(rows: 1, columns: inputs, tokens: 200, seed: 4).hessian
  }

  private var hidden: SymmetricMatrix {
    RandomProblem(rows: 1, columns: neurons, tokens: 300, seed: 5).hessian
  }

  private var order: NeuronOrder {
    var random = SeededGenerator(seed: 9)
    var list = Array(0..<neurons)
    random.shuffle(&list)
    return NeuronOrder(rearranging: list)
  }

  private func solve(
    _ split: [(bits: Int, neurons: Int)], _ options: GPTQOptions = GPTQOptions(),
    order: NeuronOrder? = nil
  ) throws -> (expert: MixedExpert, outcomes: [MixedExpert.Outcome]) {
    try MixedExpert.solving(
      weights, order: order ?? self.order, split: split, family: family, options: options,
      input: .hessian(.full(input)), hidden: .hessian(.full(hidden)))
  }

  @Test("a single slice is GPTQ of the three matrices", arguments: ColumnRule.allCases)
  func singleSlice(rule: ColumnRule) throws {
    let options = GPTQOptions(columns: rule)
    let (expert, outcomes) = try solve([(bits: 3, neurons: neurons)], options)
    let solver = GPTQ(grid: try family.grid(bits: 3), options: options)
    let gate = try solver.quantize(weights.gate, hessian: input)
    #expect(outcomes[0].damping == 0.01)
    #expect(abs(try #require(outcomes[0].loss) - gate.loss) < 1e-6 * gate.loss)
    #expect(
      expert.gate.dequantized() == gate.packed.dequantized(), "neurons are back in their places")
    guard rule == .natural else { return }
    #expect(expert.slices[0].gate == gate.packed)
    #expect(try expert.slices[0].up == solver.quantize(weights.up, hessian: input).packed)
    #expect(try expert.slices[0].down == solver.quantize(weights.down, hessian: hidden).packed)
  }

  @Test("slices of equal bits are GPTQ of the permuted matrix in one piece")
  func equalBits() throws {
    let factor = try DampedFactor(
      of: hidden.permuted(by: order.neurons), relativeDamping: 0.01)
    let permuted = order.columns(of: weights.down)
    let whole = try GPTQ(grid: family.grid(bits: 3)).quantize(permuted, factor: factor)
    let (slices, loss) = try GPTQ.quantize(
      permuted, slices: [(3, 32), (3, 64)], family: family, options: GPTQOptions(),
      factor: factor)
    #expect(abs(loss - whole.loss) < 1e-6 * whole.loss)
    let joined = SlicedMatrix(slices, along: .columns, order: Array(0..<neurons)).dequantized()
    #expect(joined == whole.packed.dequantized())
  }

  @Test(
    "the loss is tr(Δ (H + λI) Δᵀ) / 2 over all slices, cross terms between them included",
    arguments: GroupScales.allCases, ColumnRule.allCases)
  func lossIdentity(scales: GroupScales, rule: ColumnRule) throws {
    let (expert, outcomes) = try solve(split, GPTQOptions(columns: rule, scales: scales))
    let mean = hidden.trace / Double(neurons)
    var damped = hidden
    damped.diagonal = damped.diagonal.map { $0 + Float(0.01 * mean) }
    let error = expert.dequantized().down.minus(weights.down)
    let expected = ProxyLoss.total(of: error, under: damped) / 2
    let loss = try #require(outcomes[2].loss)
    #expect(abs(loss - expected) < 1e-4 * expected, "\(loss) against \(expected)")
  }

  @Test("errors of a slice are made up for by later ones: less is lost than slice by slice")
  func compensates() throws {
    // Large errors first, which the finer slices take over.
    let split = Array(split.reversed())
    let error = try solve(split).expert.dequantized().down.minus(weights.down)
    var alone = weights.down
    var start = 0
    for slice in split {
      let neurons = Array(order.neurons[start..<start + slice.neurons])
      start += slice.neurons
      let part = Matrix(
        rows: outputs, columns: neurons.count,
        storage: (0..<outputs).flatMap { row in neurons.map { weights.down[row, $0] } })
      let block = hidden.permuted(by: order.neurons).diagonalBlock(
        start - slice.neurons..<start)
      let solved = try GPTQ(grid: family.grid(bits: slice.bits)).quantize(part, hessian: block)
        .packed.dequantized()
      for row in 0..<outputs {
        for (place, neuron) in neurons.enumerated() { alone[row, neuron] = solved[row, place] }
      }
    }
    let together = ProxyLoss.total(of: error, under: hidden)
    #expect(together < 0.9 * ProxyLoss.total(of: alone.minus(weights.down), under: hidden))
  }

  @Test("with act-order the neurons of a slice stand by falling diagonal, and stay in their slice")
  func actOrder() throws {
    let expert = try solve(split, GPTQOptions(columns: .activation)).expert
    let diagonal = hidden.diagonal
    for start in stride(from: 0, to: neurons, by: 32) {
      let slice = Array(expert.order.neurons[start..<start + 32])
      #expect(Set(slice) == Set(order.neurons[start..<start + 32]))
      #expect(zip(slice, slice.dropFirst()).allSatisfy { diagonal[$0] >= diagonal[$1] })
    }
  }

  @Test("without tokens, down or gate and up are rounded to nearest, and it is told")
  func fallback() throws {
    let (expert, outcomes) = try MixedExpert.solving(
      weights, order: order, split: split, family: family, options: GPTQOptions(),
      input: .nearest(.roundToNearestWithFewTokens), hidden: .hessian(.full(hidden)))
    let rounded = try MixedExpert(
      rounding: weights, order: order, split: split, family: family)
    #expect(expert.gate == rounded.gate && expert.up == rounded.up && expert.down != rounded.down)
    #expect(
      outcomes.map(\.fallback) == [
        .roundToNearestWithFewTokens, .roundToNearestWithFewTokens, nil,
      ])
    #expect(outcomes[0].loss == nil && outcomes[2].loss != nil)
  }

  @Test("a block-diagonal Hessian counts as full with zeros once neurons change places")
  func blockDiagonal() throws {
    let kept = SecondMoments(hidden, keeping: .blockDiagonal(blockSize: 32))
    let experts = try [kept, .full(kept.dense)].map { moments in
      try MixedExpert.solving(
        weights, order: order, split: split, family: family, options: GPTQOptions(),
        input: .hessian(.full(input)), hidden: .hessian(moments)
      ).expert
    }
    #expect(experts[0] == experts[1])
  }
}
