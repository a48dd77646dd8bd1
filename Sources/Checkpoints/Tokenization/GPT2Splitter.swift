/// Cuts text into pre-tokens as GPT-2's pattern does:
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
///
/// A hand-written scanner over the scalars of valid UTF-8; alternatives are tried in the pattern's
/// order.
enum GPT2Splitter {
  /// The classes that the pattern tells apart.
  private enum Kind { case letter, number, space, other }

  /// Where the pre-token that begins at `start` ends; `start` must be a scalar boundary in `text`.
  static func end(from start: Int, in text: Span<UInt8>) -> Int {
    if text[start] == UInt8(ascii: "'"), let end = contractionEnd(from: start, in: text) {
      return end
    }
    let first = scalar(at: start, in: text)
    if text[start] == UInt8(ascii: " "), first.end < text.count {
      let second = scalar(at: first.end, in: text)
      if second.kind != .space { return runEnd(of: second.kind, from: second.end, in: text) }
    }
    guard first.kind == .space else { return runEnd(of: first.kind, from: first.end, in: text) }
    return spaceEnd(from: start, in: text)
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

  private static func runEnd(of kind: Kind, from start: Int, in text: Span<UInt8>) -> Int {
    var end = start
    while end < text.count {
      let next = scalar(at: end, in: text)
      guard next.kind == kind else { return end }
      end = next.end
    }
    return end
  }

  /// `\s+(?!\S)|\s+`: a run leaves its last scalar to the word behind it, unless it is the only one.
  private static func spaceEnd(from start: Int, in text: Span<UInt8>) -> Int {
    var (last, end) = (start, start)
    while end < text.count {
      let next = scalar(at: end, in: text)
      guard next.kind == .space else { return last > start ? last : end }
      (last, end) = (end, next.end)
    }
    return end
  }

  @inline(__always)
  private static func scalar(at start: Int, in text: Span<UInt8>) -> (kind: Kind, end: Int) {
    let byte = text[start]
    guard byte >= 0x80 else { return (kind(ofASCII: byte), start + 1) }
    return wideScalar(at: start, in: text)
  }

  private static func kind(ofASCII byte: UInt8) -> Kind {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): .letter
    case UInt8(ascii: "0")...UInt8(ascii: "9"): .number
    case 0x09...0x0D, 0x20: .space
    default: .other
    }
  }

  /// A scalar of two to four bytes.
  private static func wideScalar(at start: Int, in text: Span<UInt8>) -> (kind: Kind, end: Int) {
    let lead = text[start]
    let length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
    var value = UInt32(lead) & (0x7F >> UInt32(length))
    for index in start + 1..<start + length { value = value << 6 | UInt32(text[index] & 0x3F) }
    // Valid UTF-8 gives valid scalars; anything else would be punctuation.
    guard let scalar = Unicode.Scalar(value) else { return (.other, start + length) }
    return (kind(of: scalar), start + length)
  }

  private static func kind(of scalar: Unicode.Scalar) -> Kind {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      .letter
    case .decimalNumber, .letterNumber, .otherNumber: .number
    default: scalar.properties.isWhitespace ? .space : .other
    }
  }
}
