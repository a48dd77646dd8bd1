/// Cuts text into pre-tokens as the pattern of Qwen2 does, and that of Llama 3, which differs in
/// the length of numbers. Both descend from OpenAI's `cl100k_base`.
struct Qwen2Splitter: Sendable {
  /// Digits that a pre-token holds at most.
  let longestNumber: Int

  /// The splitter of a pattern, nil if it is another.
  init?(pattern: String) {
    guard let length = [1, 3].first(where: { Self.pattern(longestNumber: $0) == pattern }) else {
      return nil
    }
    longestNumber = length
  }

  static func pattern(longestNumber: Int) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"#
      + (longestNumber == 1 ? "" : "{1,\(longestNumber)}")
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  /// Where the pre-token that begins at `start` ends; `start` must be a scalar boundary in `text`.
  func end(from start: Int, in text: Span<UInt8>) -> Int {
    if text[start] == UInt8(ascii: "'"), let end = contractionEnd(from: start, in: text) {
      return end
    }
    let first = text.classified(at: start)
    switch first.kind {
    case .letter: return text.runEnd(of: .letter, from: first.end)
    case .number: return numberEnd(from: first.end, in: text)
    case .space, .other: return plainEnd(first, from: start, in: text)
    }
  }

  /// The alternatives for a first scalar that is neither letter nor number.
  private func plainEnd(
    _ first: (kind: ScalarKind, end: Int), from start: Int, in text: Span<UInt8>
  ) -> Int {
    if first.end < text.count, !isLineBreak(text[start]) {
      let second = text.classified(at: first.end)
      if second.kind == .letter { return text.runEnd(of: .letter, from: second.end) }
      if text[start] == UInt8(ascii: " "), second.kind == .other {
        return lineBreaksEnd(from: text.runEnd(of: .other, from: second.end), in: text)
      }
    }
    if first.kind == .other {
      return lineBreaksEnd(from: text.runEnd(of: .other, from: first.end), in: text)
    }
    return lastLineBreakEnd(from: start, in: text) ?? text.spaceEnd(from: start)
  }

  private func numberEnd(from start: Int, in text: Span<UInt8>) -> Int {
    var (end, length) = (start, 1)
    while end < text.count, length < longestNumber {
      let next = text.classified(at: end)
      guard next.kind == .number else { break }
      (end, length) = (next.end, length + 1)
    }
    return end
  }

  /// `[\r\n]*`
  private func lineBreaksEnd(from start: Int, in text: Span<UInt8>) -> Int {
    var end = start
    while end < text.count, isLineBreak(text[end]) { end += 1 }
    return end
  }

  /// `\s*[\r\n]+`: up to the last line break of the run of white space.
  private func lastLineBreakEnd(from start: Int, in text: Span<UInt8>) -> Int? {
    var (end, lastBreak) = (start, Int?.none)
    while end < text.count {
      let next = text.classified(at: end)
      guard next.kind == .space else { break }
      if isLineBreak(text[end]) { lastBreak = next.end }
      end = next.end
    }
    return lastBreak
  }

  private func isLineBreak(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
  }

  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)`; in Unicode "ſ" (U+017F) is an "s", too.
  private func contractionEnd(from start: Int, in text: Span<UInt8>) -> Int? {
    guard start + 1 < text.count else { return nil }
    switch text[start + 1] | 0x20 {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return start + 2
    default: break
    }
    guard start + 2 < text.count else { return nil }
    if text[start + 1] == 0xC5, text[start + 2] == 0xBF { return start + 3 }
    switch (text[start + 1] | 0x20, text[start + 2] | 0x20) {
    case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
      (UInt8(ascii: "l"), UInt8(ascii: "l")):
      return start + 3
    default: return nil
    }
  }
}
