import Dispatch

/// Splits rows into tiles, computes each on some thread, and returns the results in row order.
///
/// The split does not depend on the number of threads, hence neither do results.
func concurrentTiles<Result: Sendable>(
  rows: Int, tileRows: Int, _ body: @Sendable (Range<Int>) -> Result
) -> [Result] {
  let tiles = (rows + tileRows - 1) / tileRows
  return [Result](unsafeUninitializedCapacity: tiles) { buffer, count in
    guard let start = buffer.baseAddress else { return }
    // SAFETY: iteration t initializes element t only, and all are initialized on return.
    nonisolated(unsafe) let base = start
    DispatchQueue.concurrentPerform(iterations: tiles) { tile in
      let first = tile * tileRows
      (base + tile).initialize(to: body(first..<min(first + tileRows, rows)))
    }
    count = tiles
  }
}
