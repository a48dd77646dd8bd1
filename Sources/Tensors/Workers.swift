import COneDNN
import Foundation

/// Runs independent pieces of work side by side, each on one core with its own scratch memory and
/// its own oneDNN primitives.
///
/// Small products gain little from two threads each and much from two products at a time. Unlike
/// ``forEachChunk(of:size:_:)`` the body may use products and chunked loops; they then run on the
/// worker's core alone, so that results do not depend on the number of workers.
///
/// - Parameters:
///   - count: Pieces of work.
///   - body: Gets the index of a piece.
public func forEachPiece(of count: Int, _ body: @Sendable (Int) -> Void) {
  let workers = min(count, Worker.limit)
  guard workers > 1, Worker.current == 0 else {
    for index in 0..<count { body(index) }
    return
  }
  withoutActuallyEscaping(body) { body in
    let work = ChunkedWork(count: count, size: 1) { body($0.lowerBound) }
    let threads = (1...workers).map { WorkerThread(number: $0, work: work) }
    for thread in threads { thread.start() }
    for thread in threads { thread.join() }
  }
}

/// Which worker a thread is: 0 outside of ``forEachPiece(of:_:)``, 1 and up inside.
enum Worker {
  /// Scratch memory has places for this many.
  static let limit = min(threadCount, 64)

  fileprivate static let key: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, nil)
    return key
  }()

  static var current: Int { Int(bitPattern: pthread_getspecific(key)) }
}

/// A thread that ends before ``join()`` returns, so that nothing of the work outlives it.
private final class WorkerThread {
  private let number: Int
  private let work: ChunkedWork
  private var handle: pthread_t?

  init(number: Int, work: ChunkedWork) {
    (self.number, self.work) = (number, work)
  }

  func start() {
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { context in
        guard let context else { return nil }
        Unmanaged<WorkerThread>.fromOpaque(context).takeUnretainedValue().run()
        return nil
      }, Unmanaged.passUnretained(self).toOpaque())
    handle = status == 0 ? thread : nil
    // Without a thread to be had, the work is done here.
    if status != 0 { work.run() }
  }

  func join() {
    if let handle { pthread_join(handle, nil) }
  }

  private func run() {
    pthread_setspecific(Worker.key, UnsafeRawPointer(bitPattern: number))
    // OpenMP counts threads for each thread that calls it.
    omp_set_num_threads(1)
    work.run()
  }
}
