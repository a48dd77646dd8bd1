import Evaluation
import Testing

@Suite("Benchmark of packed experts")
struct ExpertBenchmarkTests {
  @Test("uniform and mixed experts read the same bytes and every repeat has its times")
  func rows() {
    var benchmark = ExpertBenchmark()
    (benchmark.hidden, benchmark.neurons) = (128, 256)
    (benchmark.bits, benchmark.repeats, benchmark.footprint) = ([2, 4], 3, 1 << 16)
    let rows = benchmark.measure()
    #expect(rows.map(\.bits) == [2, 4])
    #expect(rows.map(\.mixture) == [[1, 3], [3, 5]])
    for row in rows {
      #expect(row.uniformBytes == row.mixedBytes)
      // Codes, and a scale of two bytes for 128 weights.
      #expect(row.uniformBytes == 3 * 128 * 256 * row.bits / 8 + 3 * 128 * 256 / 128 * 2)
      #expect(row.uniformSeconds.count == 3 && row.mixedSeconds.count == 3)
      #expect((row.uniformSeconds + row.mixedSeconds).allSatisfy { $0 > 0 })
    }
  }
}
