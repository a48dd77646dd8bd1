import Foundation
import Testing

@testable import Tensors

@Suite("Benchmark of packed products")
struct PackedBenchmarkTests {
  @Test("every shape, number of threads and width has its row of positive numbers")
  func rows() {
    var benchmark = PackedBenchmark()
    benchmark.shapes = [(64, 128), (128, 64)]
    benchmark.bits = [2, 4]
    benchmark.repeats = 2
    benchmark.footprint = 1 << 20
    let rows = benchmark.measure()
    #expect(rows.map(\.rows) == [64, 64, 64, 64, 128, 128, 128, 128])
    #expect(rows.map(\.threads) == [1, 1, 2, 2, 1, 1, 2, 2])
    #expect(rows.map(\.bits) == [2, 4, 2, 4, 2, 4, 2, 4])
    #expect(rows[0].bytes == 64 * (128 * 2 / 8 + 2))
    #expect(
      rows.allSatisfy {
        $0.milliseconds > 0 && $0.fractionOfReadRate > 0 && $0.speedupOverBFloat16 > 0
      })
  }

  @Test(
    "Mixtral's experts",
    .enabled(
      if: ProcessInfo.processInfo.environment["ASSAY_KERNEL_TIMES"] != nil,
      "prints times; a minute of a quiet machine"))
  func mixtral() {
    for row in PackedBenchmark().measure() {
      print(
        row.rows, row.columns, "threads", row.threads, "bits", row.bits,
        String(
          format: "%.3f ms %.2f GB/s  %.3f of read (%.2f GB/s)  %.2f x bf16 (%.2f ms)",
          row.milliseconds, row.gigabytesPerSecond, row.fractionOfReadRate,
          Double(row.bytes) / row.readMilliseconds / 1e6, row.speedupOverBFloat16,
          row.bfloat16Milliseconds))
    }
  }
}
