import Tensors

/// Splits rows into tiles, computes each on some thread, and returns the results in row order.
///
/// The split does not depend on the number of threads, hence neither do results. What `body` may
/// call is said at ``forEachChunk(of:size:_:)``.
func concurrentTiles<Result: Sendable>(
  rows: Int, tileRows: Int, _ body: @Sendable (Range<Int>) -> Result
) -> [Result] {
  let tiles = (rows + tileRows - 1) / tileRows
  return [Result](unsafeUninitializedCapacity: tiles) { buffer, count in
    guard let start = buffer.baseAddress else { return }
    // SAFETY: the chunk from row t · tileRows initializes element t only, and all are initialized
    // on return.
    nonisolated(unsafe) let base = start
    forEachChunk(of: rows, size: tileRows) { rows in
      (base + rows.lowerBound / tileRows).initialize(to: body(rows))
    }
    count = tiles
  }
}
