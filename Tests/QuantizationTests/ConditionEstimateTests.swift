import Quantization
import Tensors
import Testing

@Suite("Condition numbers of Hessians")
struct ConditionEstimateTests {
  @Test("a diagonal Hessian's is that of its damped extremes")
  func diagonal() throws {
    let values: [Float] = [4, 1, 0.5, 100, 2]
    let estimate = try ConditionEstimate(of: .diagonal(values), relativeDamping: 0.01)
    let shift = 0.01 * Double(values.reduce(0, +)) / 5
    let expected = (100 + shift) / (0.5 + shift)
    // Factors are f32 (6e-8); the extremes are well separated.
    #expect(abs(estimate.condition / expected - 1) < 1e-4)
    #expect(estimate.damping == 0.01)
  }

  @Test("a full 2 × 2 Hessian's follows from its eigenvalues")
  func full() throws {
    // Eigenvalues of [[5, 2], [2, 2]] are 6 and 1; λ = 0.1 · 3.5.
    let hessian = SecondMoments.full(SymmetricMatrix(order: 2, packed: [5, 2, 2]))
    let estimate = try ConditionEstimate(of: hessian, relativeDamping: 0.1)
    #expect(abs(estimate.condition / ((6 + 0.35) / (1 + 0.35)) - 1) < 1e-4)
  }
}
