/// Cuts added tokens such as `<|endoftext|>` out of a text before anything else sees it.
///
/// The leftmost match wins, the longest among those that begin at the same byte.
struct AddedTokenSplitter: Sendable {
  /// A piece of text, as a range of bytes, or an added token.
  enum Segment: Equatable {
    case text(Range<Int>)
    case token(Int32)
  }

  /// What is looked for, and the white space that goes with it.
  private struct Candidate: Sendable {
    let bytes: [UInt8]
    let id: Int32
    let isSingleWord: Bool
    let stripsLeft: Bool
    let stripsRight: Bool
  }

  /// Tokens by their first byte, longest first, shape `[256]`.
  private var candidates: [[Candidate]]
  private var isEmpty = true

  /// Tokens are looked for as `normalization` spells them, as in the reference.
  init(_ tokens: [AddedToken], normalization: Normalization) {
    candidates = Array(repeating: [], count: 256)
    for token in tokens {
      let content = Array(token.content.utf8)
      let bytes = normalization.normalized(content.span) ?? content
      guard let first = bytes.first else { continue }
      candidates[Int(first)].append(
        Candidate(
          bytes: bytes, id: Int32(token.id), isSingleWord: token.isSingleWord,
          stripsLeft: token.stripsLeft, stripsRight: token.stripsRight))
      isEmpty = false
    }
    // Longest first; the sort is stable, so that the first of two equal ones wins.
    candidates = candidates.map { $0.sorted { $0.bytes.count > $1.bytes.count } }
  }

  /// The segments of a text, in order; pieces of text are not empty.
  func segments(of text: Span<UInt8>) -> [Segment] {
    guard !isEmpty else { return text.isEmpty ? [] : [.text(0..<text.count)] }
    var segments: [Segment] = []
    var (start, position) = (0, 0)
    while position < text.count {
      guard let match = match(at: position, in: text) else {
        position += 1
        continue
      }
      let range = position..<position + match.bytes.count
      position = range.upperBound
      guard !match.isSingleWord || standsAlone(range, in: text) else { continue }
      let left =
        match.stripsLeft ? spaceStart(before: range.lowerBound, in: text) : range.lowerBound
      if start < left { segments.append(.text(start..<left)) }
      segments.append(.token(match.id))
      start = match.stripsRight ? text.runEnd(of: .space, from: position) : position
    }
    if start < text.count { segments.append(.text(start..<text.count)) }
    return segments
  }

  private func match(at position: Int, in text: Span<UInt8>) -> Candidate? {
    for token in candidates[Int(text[position])] where text.holds(token.bytes, at: position) {
      return token
    }
    return nil
  }

  private func standsAlone(_ range: Range<Int>, in text: Span<UInt8>) -> Bool {
    if range.upperBound < text.count, isWord(text.scalar(at: range.upperBound)) { return false }
    guard range.lowerBound > 0 else { return true }
    return !isWord(text.scalar(at: text.scalarStart(before: range.lowerBound)))
  }

  private func spaceStart(before end: Int, in text: Span<UInt8>) -> Int {
    var start = end
    while start > 0 {
      let previous = text.scalarStart(before: start)
      guard text.classified(at: previous).kind == .space else { return start }
      start = previous
    }
    return start
  }

  /// `\w` of Unicode Technical Standard #18.
  private func isWord(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .decimalNumber, .connectorPunctuation, .nonspacingMark, .spacingMark, .enclosingMark: true
    default: scalar.properties.isAlphabetic || scalar.properties.isJoinControl
    }
  }
}
