import COneDNN
import Synchronization

/// Splits `0..<count` into chunks of a fixed size and runs them side by side.
///
/// The chunk size is a parameter, never derived from the number of threads, so results do not
/// depend on the machine. The threads are oneDNN's OpenMP pool: neither this nor a matrix product
/// may be called from `body`, except those of ``DenseProduct`` and
/// `BatchedProduct.subtractTransposed`.
public func forEachChunk(
  of count: Int, size: Int, _ body: @Sendable (Range<Int>) -> Void
) {
  guard count > size else {
    if count > 0 { body(0..<count) }
    return
  }
  withoutActuallyEscaping(body) { body in
    let work = ChunkedWork(count: count, size: size, body: body)
    // SAFETY: GOMP_parallel returns after the last thread has left `run`, so `work` outlives it.
    GOMP_parallel(
      { Unmanaged<ChunkedWork>.fromOpaque($0!).takeUnretainedValue().run() },
      Unmanaged.passUnretained(work).toOpaque(), 0, 0)
    withExtendedLifetime(work) {}
  }
}

/// The threads that products and chunked loops use.
public var threadCount: Int { Int(omp_get_max_threads()) }

/// Runs something while products and chunked loops use another number of threads.
///
/// - Parameters:
///   - count: At least 1; nil: as many as before.
///   - body: What runs.
/// - Returns: What it returns.
public func withThreads<Result>(_ count: Int?, _ body: () throws -> Result) rethrows -> Result {
  let before = omp_get_max_threads()
  defer { omp_set_num_threads(before) }
  if let count { omp_set_num_threads(Int32(count)) }
  return try body()
}

/// Work that several threads take chunks of.
final class ChunkedWork: Sendable {
  private let count: Int
  private let size: Int
  private let body: @Sendable (Range<Int>) -> Void
  private let next = Atomic(0)

  init(count: Int, size: Int, body: @escaping @Sendable (Range<Int>) -> Void) {
    self.count = count
    self.size = size
    self.body = body
  }

  /// Takes chunks until none is left; every thread of the team calls it once.
  func run() {
    while true {
      let start = next.add(size, ordering: .relaxed).oldValue
      guard start < count else { return }
      body(start..<min(start + size, count))
    }
  }
}
