import Statistics
import Testing

@Suite("Medians with order statistics around them")
struct MedianEstimateTests {
  /// Ranks from the binomial distribution: n = 6 gives 1 and 6 (0.969), n = 10 gives 2 and 9 (0.979),
  /// n = 20 gives 6 and 15 (0.959).
  @Test(
    "ranks of the interval are those of tables",
    arguments: [(6, 1.0, 6.0), (10, 2, 9), (20, 6, 15)])
  func ranks(count: Int, lower: Double, upper: Double) throws {
    let estimate = try #require(MedianEstimate((1...count).reversed().map(Double.init)))
    #expect(estimate.median == Double(count + 1) / 2)
    #expect(estimate.interval?.lower == lower)
    #expect(estimate.interval?.upper == upper)
  }

  @Test("five values have a median and no interval, none has nothing")
  func few() {
    #expect(MedianEstimate([5, 1, 3, 2, 4])?.median == 3)
    #expect(MedianEstimate([5, 1, 3, 2, 4])?.interval == nil)
    #expect(MedianEstimate([]) == nil)
  }
}
