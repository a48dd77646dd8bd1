import Evaluation
import Tensors
import Testing

@Suite("Benchmark of made-up experts")
struct ExpertBenchmarkTests {
  private var small: ExpertBenchmark {
    var benchmark = ExpertBenchmark()
    (benchmark.hidden, benchmark.neurons) = (128, 256)
    (benchmark.bits, benchmark.repeats, benchmark.footprint) = ([2, 4], 3, 1 << 16)
    benchmark.prompt = 5
    benchmark.precisions = [.f32]
    return benchmark
  }

  @Test("every width has full precision and all forms, with the times of every repeat")
  func rows() {
    let rows = small.measure()
    let names = [
      "full precision (f32)", "uniform", "experts mixed", "neurons mixed", "dense and sparse",
    ]
    #expect(rows.map(\.subject.name) == names + names)
    #expect(rows.map(\.bits) == [2, 2, 2, 2, 2, 4, 4, 4, 4, 4])
    for row in rows {
      for times in [row.decode, row.prefill, row.decodeRatio, row.prefillRatio] {
        #expect(times.count == 3 && times.allSatisfy { $0 > 0 && $0.isFinite })
      }
      if row.subject.name == "uniform" {
        #expect(row.decodeRatio == [1, 1, 1] && row.prefillRatio == [1, 1, 1])
      }
    }
    // Full precision ran once in a repeat and is compared with each width.
    #expect(rows[0].decode == rows[5].decode)
    #expect(rows[0].decodeRatio == zip(rows[0].decode, rows[1].decode).map { $0 / $1 })
  }

  @Test("mixtures read the bytes of uniform bits, and a sparse part four bytes an element more")
  func bytes() {
    let rows = small.measure()
    for (index, row) in rows.enumerated() {
      let uniform = rows[index / 5 * 5 + 1]
      // Codes, and a scale of two bytes for 128 weights.
      let weights = 3 * 128 * 256
      #expect(uniform.bytesPerToken == weights * row.bits / 8 + weights / 128 * 2)
      switch index % 5 {
      case 0: #expect(row.bytesPerToken == 4 * weights && row.heldBytes == 4 * weights)
      case 2:
        #expect(
          row.bytesPerToken == uniform.bytesPerToken && row.heldBytes == 2 * row.bytesPerToken)
      case 4:
        // 0.45 % of 128 and of 256 columns are one element a row; each row has its start, and one
        // more ends the last.
        let sparse = 4 * (256 + 256 + 128) + 4 * (257 + 257 + 129)
        #expect(row.bytesPerToken == uniform.bytesPerToken + sparse)
      default: #expect(row.bytesPerToken == uniform.bytesPerToken)
      }
    }
  }

  @Test("without a prompt only single tokens are timed, and 8-bit inputs run")
  func decodeOnly() {
    var benchmark = small
    (benchmark.prompt, benchmark.activations) = (0, .int8)
    let rows = benchmark.measure()
    #expect(rows.count == 10 && rows.allSatisfy { $0.prefill.isEmpty && $0.decode.count == 3 })
  }

  @Test("the number of threads holds within, and not behind")
  func threads() {
    let before = threadCount
    #expect(withThreads(3) { threadCount } == 3)
    #expect(withThreads(nil) { threadCount } == before)
    #expect(threadCount == before)
  }
}
