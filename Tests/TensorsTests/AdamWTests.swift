import Tensors
import Testing

@Suite("AdamW")
struct AdamWTests {
  private static let expected: [Float] = [0.77524376, -1.79252899]

  @Test("three steps are those of torch.optim.AdamW")
  func golden() {
    // torch 2.13.0: p = tensor([1., -2.]), lr 0.1, weight_decay 0.01, gradients [0.5, -1], [2, 0],
    // [-1, 0.25].
    var parameters: [Float] = [1, -2]
    var optimizer = AdamW(count: 2, rate: 0.1, decay: 0.01)
    for gradient: [Float] in [[0.5, -1], [2, 0], [-1, 0.25]] {
      optimizer.step(&parameters, gradient)
    }
    #expect(optimizer.steps == 3)
    for (found, expected) in zip(parameters, Self.expected) {
      #expect(abs(found - expected) < 1e-6)
    }
  }
}
