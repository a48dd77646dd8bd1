/// What one call of `encode` carries along: the ids so far and memory that is used again.
struct EncodingState {
  var ids: [Int32] = []
  private var cache = PretokenCache()
  private var scratch = MergeScratch()

  /// Appends the ids of one pre-token, merging it only if it is new.
  mutating func append(_ word: Span<UInt8>, _ encoding: BytePairEncoding) {
    guard word.count <= PretokenCache.longestWord else {
      encoding.append(word, to: &ids, scratch: &scratch)
      return
    }
    let hash = PretokenCache.hash(word)
    if cache.append(word, hash: hash, to: &ids) { return }
    let start = ids.count
    encoding.append(word, to: &ids, scratch: &scratch)
    cache.insert(word, hash: hash, ids: ids[start...])
  }
}
