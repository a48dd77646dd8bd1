/// How a normalized text becomes words: spaces are marked first, then it is cut, stage by stage.
struct PreTokenization: Sendable {
  /// What becomes of spaces before the text is cut.
  enum Spacing: Sendable {
    case kept
    /// A text that does not begin with a space gets one.
    case prefixed
    /// Spaces become `marker`; a text that does not begin with one gets one where `scheme` says so.
    case marked(marker: [UInt8], scheme: PrependScheme)
  }

  /// Which texts between added tokens get a marker in front.
  enum PrependScheme: String, Sendable {
    case always, first, never
  }

  var spacing = Spacing.kept
  var stages: [SplittingStage] = []
  /// Whether words are bytes, written in the byte alphabet, instead of scalars.
  var isByteLevel = false

  /// The text with its spaces marked; nil if it stays as it is. `isFirst` says whether it is the
  /// beginning of what is encoded.
  func spaced(_ text: Span<UInt8>, isFirst: Bool) -> [UInt8]? {
    guard !text.isEmpty else { return nil }
    switch spacing {
    case .kept: return nil
    case .prefixed:
      let space = UInt8(ascii: " ")
      return text[0] == space ? nil : [space] + Array(copying: text)
    case .marked(let marker, let scheme):
      let marked = text.replacing([UInt8(ascii: " ")], with: marker) ?? Array(copying: text)
      let prepends = scheme == .always || (scheme == .first && isFirst)
      return prepends && !marked.starts(with: marker) ? marker + marked : marked
    }
  }
}
