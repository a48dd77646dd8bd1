extension Normalization {
  private static let supported = "null, NFC, Prepend, Replace of a String, or a Sequence of these"

  init(_ part: TokenizerPart) throws(TokenizerError) {
    if !part.value.isNull { try read(part) }
  }

  private mutating func read(_ part: TokenizerPart) throws(TokenizerError) {
    switch part.type {
    case "NFC": steps.append(.canonicalComposition)
    case "Prepend": steps.append(.prepend(Array(try part.text("prepend").utf8)))
    case "Replace": steps.append(try Self.replacement(part))
    case "Sequence":
      for normalizer in try part.member("normalizers").elements() {
        // A sequence within a sequence ends: the JSON parser limits the depth.
        try read(normalizer)
      }
    default: throw part.unsupported(Self.supported)
    }
  }

  private static func replacement(_ part: TokenizerPart) throws(TokenizerError) -> Step {
    let (pattern, content) = try part.replacedText()
    return .replace(pattern, with: content)
  }
}

extension TokenizerPart {
  /// Pattern and content of a `Replace`, as UTF-8; the pattern is not empty.
  func replacedText() throws(TokenizerError) -> (pattern: [UInt8], content: [UInt8]) {
    let pattern = member("pattern")
    guard let text = pattern.member("String").value.stringValue, !text.isEmpty else {
      throw pattern.unsupported("{\"String\": …} that is not empty")
    }
    return (Array(text.utf8), Array(try self.text("content").utf8))
  }
}
