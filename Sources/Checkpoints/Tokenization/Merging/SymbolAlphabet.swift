/// What the first symbols of a word are, before any merge.
enum SymbolAlphabet: Sendable {
  /// One token for each byte, shape `[256]`.
  case bytes([Int32])
  case scalars(ScalarAlphabet)
}

/// Tokens of single scalars, and what stands for scalars without one.
struct ScalarAlphabet: Sendable {
  /// Id of each scalar value that has one; -1 elsewhere.
  let ids: [Int32]
  /// Tokens such as `<0x0A>`, shape `[256]`, nil where the vocabulary holds none.
  let byteIDs: [Int32?]
  let unknownID: Int32?
  /// Whether several unknown scalars in a row are one unknown token.
  let fusesUnknown: Bool

  /// Calls `append` with the id of each first symbol of `word`, valid UTF-8.
  ///
  /// A scalar without a token becomes its bytes, all or none, or else the unknown token. As in the
  /// reference, an unknown token waits for the next scalar that has a token.
  func forEachSymbol(of word: Span<UInt8>, _ append: (Int32) -> Void) {
    var (position, waiting) = (0, 0)
    while position < word.count {
      let end = word.scalarEnd(from: position)
      let value = Int(word.scalar(at: position).value)
      if value < ids.count, ids[value] >= 0 {
        appendUnknown(waiting, append)
        waiting = 0
        append(ids[value])
      } else if hasBytes(position..<end, of: word) {
        for index in position..<end { if let id = byteIDs[Int(word[index])] { append(id) } }
      } else {
        waiting = fusesUnknown ? 1 : waiting + 1
      }
      position = end
    }
    appendUnknown(waiting, append)
  }

  private func appendUnknown(_ count: Int, _ append: (Int32) -> Void) {
    guard let unknownID else { return }
    for _ in 0..<count { append(unknownID) }
  }

  private func hasBytes(_ range: Range<Int>, of word: Span<UInt8>) -> Bool {
    for index in range where byteIDs[Int(word[index])] == nil { return false }
    return true
  }
}
