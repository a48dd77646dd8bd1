/// The special tokens that a `post_processor` puts around a single text.
struct TextTemplate {
  /// A token and the id that the file gives it.
  struct Token {
    let text: String
    let id: Int
    let place: TokenizerPart
  }

  private(set) var prefix: [Token] = []
  private(set) var suffix: [Token] = []

  init(_ part: TokenizerPart) throws(TokenizerError) {
    switch part.type {
    // ByteLevel corrects offsets only.
    case "ByteLevel": return
    case "TemplateProcessing": try readSingle(part)
    case "Sequence": try readSequence(part)
    default:
      guard part.value.isNull else {
        throw part.unsupported("null, ByteLevel, TemplateProcessing or a Sequence of these")
      }
    }
  }

  private mutating func readSequence(_ part: TokenizerPart) throws(TokenizerError) {
    for processor in try part.member("processors").elements() where processor.type != "ByteLevel" {
      guard processor.type == "TemplateProcessing", prefix.isEmpty, suffix.isEmpty else {
        throw processor.unsupported("ByteLevel and one TemplateProcessing")
      }
      try readSingle(processor)
    }
  }

  private mutating func readSingle(_ part: TokenizerPart) throws(TokenizerError) {
    var sawText = false
    for piece in try part.member("single").elements() {
      if piece.member("Sequence").member("id").value == .string("A"), !sawText {
        sawText = true
      } else if let name = piece.member("SpecialToken").member("id").value.stringValue {
        let tokens = try Self.tokens(part.member("special_tokens").member(name))
        if sawText { suffix += tokens } else { prefix += tokens }
      } else {
        throw piece.unsupported("special tokens around one sequence A")
      }
    }
    guard sawText else { throw part.member("single").unsupported("a template with sequence A") }
  }

  private static func tokens(_ part: TokenizerPart) throws(TokenizerError) -> [Token] {
    let ids = try part.member("ids").elements()
    let texts = try part.member("tokens").elements()
    guard ids.count == texts.count else { throw part.unsupported("as many ids as tokens") }
    var tokens: [Token] = []
    for (idPart, textPart) in zip(ids, texts) {
      guard let id = idPart.value.intValue else { throw idPart.unsupported("an integer") }
      guard let text = textPart.value.stringValue else { throw textPart.unsupported("a string") }
      tokens.append(Token(text: text, id: id, place: textPart))
    }
    return tokens
  }
}
