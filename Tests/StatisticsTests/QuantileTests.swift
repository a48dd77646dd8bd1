import Statistics
import Testing

@Suite("Quantiles")
struct QuantileTests {
  @Test("they are NumPy's: numpy.quantile([8, 1, 4, 2], …) of numpy 2")
  func numpy() throws {
    let quantiles = try #require(Quantiles([8, 1, 4, 2]))
    let expected = [(0, 1), (0.25, 1.75), (0.5, 3), (0.9, 6.8), (1, 8)]
    for (share, value) in expected {
      // Two roundings of numbers below 8.
      #expect(abs(quantiles.value(at: share) - value) < 4e-15)
    }
  }

  @Test("one value is all of them, none has none, and infinities stay")
  func edges() throws {
    #expect(try #require(Quantiles([7])).value(at: 0.3) == 7)
    #expect(Quantiles([Double]()) == nil)
    #expect(try #require(Quantiles([1, .infinity, .infinity])).value(at: 0.9) == .infinity)
  }
}
