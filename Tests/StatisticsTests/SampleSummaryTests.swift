import Statistics
import Testing

@Suite("Sample summary")
struct SampleSummaryTests {
  @Test("2, 4, 4, 4, 5, 5, 7, 9 have mean 5 and sample variance 32 / 7")
  func textbookSample() throws {
    let summary = try #require(SampleSummary([2, 4, 4, 4, 5, 5, 7, 9]))
    #expect(summary.mean == 5)
    let deviation = try #require(summary.standardDeviation)
    // One rounding of the quotient and one of the root.
    #expect(abs(deviation - (32.0 / 7).squareRoot()) <= 2 * deviation.ulp)
    #expect(summary.varies)
  }

  @Test("equal values keep their value and have no spread")
  func equalValues() throws {
    let summary = try #require(SampleSummary([0.1, 0.1, 0.1]))
    #expect(summary.mean == 0.1)
    #expect(summary.standardDeviation == 0)
    #expect(!summary.varies)
  }

  @Test("a single value has no standard deviation, no value no summary")
  func smallSamples() {
    #expect(SampleSummary([3])?.standardDeviation == nil)
    #expect(SampleSummary([3])?.count == 1)
    #expect(SampleSummary([]) == nil)
  }

  @Test("a large offset does not swallow the spread")
  func largeOffset() throws {
    let summary = try #require(SampleSummary([1e9 + 1, 1e9 + 2, 1e9 + 3]))
    #expect(summary.standardDeviation == 1)
  }
}
