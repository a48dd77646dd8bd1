extension Span where Element == UInt8 {
  /// The scalar that begins at `start`, a scalar boundary of valid UTF-8; else U+FFFD.
  func scalar(at start: Int) -> Unicode.Scalar {
    let end = scalarEnd(from: start)
    guard end - start > 1 else { return Unicode.Scalar(self[start]) }
    var value = UInt32(self[start]) & (0x7F >> UInt32(end - start))
    for index in start + 1..<end { value = value << 6 | UInt32(self[index] & 0x3F) }
    return Unicode.Scalar(value) ?? "\u{FFFD}"
  }

  /// Where the scalar that begins at `start` ends.
  @inline(__always)
  func scalarEnd(from start: Int) -> Int {
    let lead = self[start]
    let length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
    return Swift.min(start + length, count)
  }

  /// Where the scalar that ends at `end` begins.
  func scalarStart(before end: Int) -> Int {
    var start = end - 1
    while start > 0, self[start] & 0xC0 == 0x80 { start -= 1 }
    return start
  }

  /// Class and end of the scalar at `start`.
  @inline(__always)
  func classified(at start: Int) -> (kind: ScalarKind, end: Int) {
    let byte = self[start]
    guard byte >= 0x80 else { return (ScalarKind(ascii: byte), start + 1) }
    return (ScalarKind(scalar(at: start)), scalarEnd(from: start))
  }

  /// Where the run of scalars of `kind` ends that begins at `start` (at once, if there is none).
  func runEnd(of kind: ScalarKind, from start: Int) -> Int {
    var end = start
    while end < count {
      let next = classified(at: end)
      guard next.kind == kind else { return end }
      end = next.end
    }
    return end
  }

  /// `\s+(?!\S)|\s+`: a run of white space leaves its last scalar to the word behind it, unless it
  /// is the only one.
  func spaceEnd(from start: Int) -> Int {
    var (last, end) = (start, start)
    while end < count {
      let next = classified(at: end)
      guard next.kind == .space else { return last > start ? last : end }
      (last, end) = (end, next.end)
    }
    return end
  }
}

/// The classes that the patterns tell apart: `\p{L}`, `\p{N}`, `\s`, and the rest.
enum ScalarKind {
  case letter, number, space, other

  /// The reference's pattern engine knows Unicode 16; later letters and numbers are others to it.
  /// (tokenizers 0.23.3 was compared over all scalars.)
  private static let lastVersion = 16

  @inline(__always)
  init(ascii byte: UInt8) {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"):
      self = .letter
    case UInt8(ascii: "0")...UInt8(ascii: "9"): self = .number
    case 0x09...0x0D, 0x20: self = .space
    default: self = .other
    }
  }

  init(_ scalar: Unicode.Scalar) {
    let kind: ScalarKind
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      kind = .letter
    case .decimalNumber, .letterNumber, .otherNumber: kind = .number
    default:
      self = scalar.properties.isWhitespace ? .space : .other
      return
    }
    self = (scalar.properties.age?.major ?? .max) <= Self.lastVersion ? kind : .other
  }
}
