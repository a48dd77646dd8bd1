/// A token that is cut out of the text before the model sees it.
struct AddedToken {
  let id: Int
  let content: String
  let isSpecial: Bool
  /// Whether it is looked for in the normalized text, itself normalized.
  let isNormalized: Bool
  /// Whether it may not touch a letter, digit or other word character.
  let isSingleWord: Bool
  /// Whether it takes the white space before or behind it.
  let stripsLeft: Bool
  let stripsRight: Bool

  init(_ part: TokenizerPart) throws(TokenizerError) {
    id = try part.integer("id")
    content = try part.text("content")
    isSpecial = try part.flag("special", otherwise: false)
    isNormalized = try part.flag("normalized", otherwise: true)
    isSingleWord = try part.flag("single_word", otherwise: false)
    stripsLeft = try part.flag("lstrip", otherwise: false)
    stripsRight = try part.flag("rstrip", otherwise: false)
    try part.requireOnly([
      "id", "content", "special", "normalized", "single_word", "lstrip", "rstrip",
    ])
  }
}
