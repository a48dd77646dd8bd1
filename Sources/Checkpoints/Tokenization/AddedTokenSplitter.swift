/// Cuts added tokens such as `<|endoftext|>` out of a text before anything else sees it.
///
/// The leftmost match wins, the longest among those that begin at the same byte.
struct AddedTokenSplitter: Sendable {
  /// A piece of text, as a range of bytes, or an added token.
  enum Segment: Equatable {
    case text(Range<Int>)
    case token(Int32)
  }

  /// Tokens by their first byte, longest first, shape `[256]`.
  private var candidates: [[(bytes: [UInt8], id: Int32)]]
  private var isEmpty = true

  init(_ tokens: [(bytes: [UInt8], id: Int32)]) {
    candidates = Array(repeating: [], count: 256)
    for token in tokens.sorted(by: { $0.bytes.count > $1.bytes.count }) {
      guard let first = token.bytes.first else { continue }
      candidates[Int(first)].append(token)
      isEmpty = false
    }
  }

  /// The segments of `range`, in order; pieces of text are not empty.
  func segments(of range: Range<Int>, in text: Span<UInt8>) -> [Segment] {
    guard !isEmpty else { return range.isEmpty ? [] : [.text(range)] }
    var segments: [Segment] = []
    var (start, position) = (range.lowerBound, range.lowerBound)
    while position < range.upperBound {
      guard let match = match(at: position, before: range.upperBound, in: text) else {
        position += 1
        continue
      }
      if start < position { segments.append(.text(start..<position)) }
      segments.append(.token(match.id))
      position += match.bytes.count
      start = position
    }
    if start < range.upperBound { segments.append(.text(start..<range.upperBound)) }
    return segments
  }

  private func match(
    at position: Int, before end: Int, in text: Span<UInt8>
  ) -> (bytes: [UInt8], id: Int32)? {
    for token in candidates[Int(text[position])]
    where position + token.bytes.count <= end && isEqual(token.bytes, at: position, in: text) {
      return token
    }
    return nil
  }

  private func isEqual(_ bytes: [UInt8], at position: Int, in text: Span<UInt8>) -> Bool {
    for index in bytes.indices where bytes[index] != text[position + index] { return false }
    return true
  }
}
