import Foundation
import Synchronization
import Tensors
import Testing

@Suite("Parallel chunks")
struct ParallelChunksTests {
  @Test(
    "every index is visited once, in chunks of the size asked for",
    arguments: [0, 1, 99, 100, 101, 12_345])
  func coverage(count: Int) {
    let ranges = Mutex<[Range<Int>]>([])
    forEachChunk(of: count, size: 100) { range in ranges.withLock { $0.append(range) } }
    let sorted = ranges.withLock { $0 }.sorted { $0.lowerBound < $1.lowerBound }
    #expect(sorted.flatMap(\.self) == Array(0..<count))
    #expect(sorted.allSatisfy { $0.lowerBound.isMultiple(of: 100) && $0.count <= 100 })
  }

  @Test("sums over chunks have the same bits with one, two and three threads")
  func threadsDoNotMatter() throws {
    let values = uniform(50_000, seed: 19)
    let chunks = 500
    let sums = try [1, 2, 3].map { threads in
      try withThreads(threads) {
        let partial = Mutex([Float](repeating: 0, count: chunks))
        forEachChunk(of: values.count, size: 100) { range in
          let sum = values[range].reduce(0, +)
          partial.withLock { $0[range.lowerBound / 100] = sum }
        }
        return partial.withLock { $0 }.reduce(0, +)
      }
    }
    #expect(Set(sums.map(\.bitPattern)).count == 1)
  }

  /// Runs with this many threads of OpenMP, a setting of the calling thread.
  private func withThreads<Result>(_ count: Int, _ body: () throws -> Result) throws -> Result {
    typealias Setter = @convention(c) (Int32) -> Void
    let symbol = try #require(dlsym(nil, "omp_set_num_threads"))
    let set = unsafeBitCast(symbol, to: Setter.self)
    let before = threadCount
    set(Int32(count))
    defer { set(Int32(before)) }
    #expect(threadCount == count)
    return try body()
  }
}
