/// How tokens become text again.
enum TextDecoding: Sendable {
  /// Tokens are bytes, written in the byte alphabet.
  case byteLevel
  /// Markers become spaces; those of the first token vanish if `dropsFirst`.
  case metaspace(marker: [UInt8], dropsFirst: Bool)
  case pieces(PieceDecoding)
}

/// The decoders of SentencePiece-style vocabularies: replacements in each token, then bytes, then
/// what is taken from both ends of the text.
struct PieceDecoding: Sendable {
  var replacements: [(pattern: [UInt8], content: [UInt8])] = []
  /// Whether tokens such as `<0x0A>` are bytes.
  var hasByteFallback = false
  /// At most so many of `stripped` are taken from the start and from the end.
  var stripped: [UInt8] = []
  var strippedAtStart = 0
  var strippedAtEnd = 0

  func strip(_ text: [UInt8]) -> ArraySlice<UInt8> {
    var text = text[...]
    guard !stripped.isEmpty else { return text }
    for _ in 0..<strippedAtStart where text.starts(with: stripped) {
      text.removeFirst(stripped.count)
    }
    for _ in 0..<strippedAtEnd where text.suffix(stripped.count).elementsEqual(stripped) {
      text.removeLast(stripped.count)
    }
    return text
  }
}

extension TextDecoding {
  /// What a token contributes: text, or a single byte of one.
  struct Piece {
    let bytes: [UInt8]
    let isByte: Bool
  }

  /// What `token`, as the file spells it, contributes.
  func piece(of token: ArraySlice<UInt8>) -> Piece {
    switch self {
    case .byteLevel:
      // As the reference decodes: a token outside the byte alphabet stands for its own UTF-8.
      let bytes = ByteAlphabet.bytes(of: String(decoding: token, as: UTF8.self))
      return Piece(bytes: bytes ?? Array(token), isByte: false)
    case .metaspace(let marker, _):
      let bytes = Array(token)
      return Piece(
        bytes: bytes.span.replacing(marker, with: [UInt8(ascii: " ")]) ?? bytes, isByte: false)
    case .pieces(let decoding):
      var bytes = Array(token)
      for (pattern, content) in decoding.replacements {
        bytes = bytes.span.replacing(pattern, with: content) ?? bytes
      }
      if decoding.hasByteFallback, let byte = Self.fallbackByte(bytes) {
        return Piece(bytes: [byte], isByte: true)
      }
      return Piece(bytes: bytes, isByte: false)
    }
  }

  /// The byte that a token such as `<0x0A>` stands for.
  private static func fallbackByte(_ token: [UInt8]) -> UInt8? {
    guard token.count == 6, token.starts(with: "<0x".utf8), token[5] == UInt8(ascii: ">") else {
      return nil
    }
    return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
  }
}
