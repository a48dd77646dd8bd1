/// Byte-pair encoding of one pre-token: the merge of lowest rank first, leftmost among equals.
/// - SeeAlso: Sennrich, Haddow and Birch 2016, arXiv:1508.07909.
struct BytePairEncoding: Sendable {
  let alphabet: SymbolAlphabet
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
    scratch.start(longest: word.count)
    switch alphabet {
    case .bytes(let byteIDs):
      for index in word.indices { scratch.append(byteIDs[Int(word[index])]) }
    case .scalars(let alphabet): alphabet.forEachSymbol(of: word) { scratch.append($0) }
    }
    scratch.mergeAll(merges)
    scratch.appendIDs(to: &ids)
  }
}
