/// Byte-pair encoding of one pre-token: the merge of lowest rank first, leftmost among equals.
/// - SeeAlso: Sennrich, Haddow and Birch 2016, arXiv:1508.07909.
struct BytePairEncoding: Sendable {
  /// Token of each single byte, shape `[256]`.
  let byteIDs: [Int32]
  let merges: MergeTable
  /// Tokens that are taken whole before any merge (`ignore_merges`), by their bytes.
  let wholeTokens: [[UInt8]: Int32]

  /// Appends the ids of `word`.
  ///
  /// - Complexity: O(bytes · log bytes); `scratch` is reused, so that nothing is allocated.
  func append(_ word: Span<UInt8>, to ids: inout [Int32], scratch: inout MergeScratch) {
    if !wholeTokens.isEmpty, let id = wholeTokens[Array(copying: word)] {
      ids.append(id)
      return
    }
    scratch.start(word, byteIDs: byteIDs)
    for position in 0..<max(0, word.count - 1) { scratch.push(position, merges: merges) }
    while let position = scratch.nextMerge(merges) { scratch.merge(position, merges: merges) }
    scratch.appendIDs(to: &ids)
  }
}

extension Array where Element == UInt8 {
  /// The bytes of a span.
  init(copying span: Span<UInt8>) {
    self = span.withUnsafeBufferPointer { Array($0) }
  }
}
