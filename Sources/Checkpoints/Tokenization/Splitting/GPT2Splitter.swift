/// Cuts text into pre-tokens as GPT-2's pattern does.
///
/// A hand-written scanner over the scalars of valid UTF-8; alternatives are tried in the pattern's
/// order.
/// - SeeAlso: Radford et al. 2019, GPT-2, `encoder.py`.
enum GPT2Splitter {
  static let pattern =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// Where the pre-token that begins at `start` ends; `start` must be a scalar boundary in `text`.
  static func end(from start: Int, in text: Span<UInt8>) -> Int {
    if text[start] == UInt8(ascii: "'"), let end = contractionEnd(from: start, in: text) {
      return end
    }
    let first = text.classified(at: start)
    if text[start] == UInt8(ascii: " "), first.end < text.count {
      let second = text.classified(at: first.end)
      if second.kind != .space { return text.runEnd(of: second.kind, from: second.end) }
    }
    guard first.kind == .space else { return text.runEnd(of: first.kind, from: first.end) }
    return text.spaceEnd(from: start)
  }

  private static func contractionEnd(from start: Int, in text: Span<UInt8>) -> Int? {
    guard start + 1 < text.count else { return nil }
    switch text[start + 1] {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return start + 2
    default: break
    }
    guard start + 2 < text.count else { return nil }
    switch (text[start + 1], text[start + 2]) {
    case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
      (UInt8(ascii: "l"), UInt8(ascii: "l")):
      return start + 3
    default: return nil
    }
  }
}
