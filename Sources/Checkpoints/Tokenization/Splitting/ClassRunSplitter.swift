/// Isolates what a pattern of the form `\s?[…]+` matches, as DeepSeek's tokenizers do: an optional
/// white space (`\s?`), one class of scalars and ranges, an optional `+`.
struct ClassRunSplitter: Sendable {
  private let takesSpace: Bool
  private let repeats: Bool
  /// In rising order; they do not touch.
  private let ranges: [ClosedRange<UInt32>]
  /// Membership of the ASCII scalars, shape `[128]`.
  private let ascii: [Bool]

  /// The splitter of a pattern, nil if it is of another form.
  init?(pattern: String) {
    var rest = Array(pattern.unicodeScalars)[...]
    takesSpace = rest.starts(with: Array(#"\s?"#.unicodeScalars))
    if takesSpace { rest = rest.dropFirst(3) }
    repeats = rest.last == "+"
    if repeats { rest = rest.dropLast() }
    guard rest.first == "[", rest.last == "]",
      let members = Self.members(rest.dropFirst().dropLast())
    else { return nil }
    ranges = Self.joined(members)
    ascii = (0..<128).map { value in members.contains { $0.contains(value) } }
  }

  /// The ranges of a class; nil for a negation, a nested class or anything else with a meaning.
  private static func members(_ text: ArraySlice<Unicode.Scalar>) -> [ClosedRange<UInt32>]? {
    guard let first = text.first, first != "^", first != "-", text.last != "-" else { return nil }
    var (rest, members) = (text, [ClosedRange<UInt32>]())
    while let lower = member(&rest) {
      guard rest.first == "-" else {
        members.append(lower...lower)
        continue
      }
      rest.removeFirst()
      guard let upper = member(&rest), lower <= upper else { return nil }
      members.append(lower...upper)
    }
    return rest.isEmpty ? members : nil
  }

  /// One literal scalar of a class.
  private static func member(_ rest: inout ArraySlice<Unicode.Scalar>) -> UInt32? {
    guard let scalar = rest.first else { return nil }
    switch scalar {
    case "[", "]", "&", "-": return nil
    case "\\":
      guard let letter = rest.dropFirst().first, let value = escapes[letter] else { return nil }
      rest.removeFirst(2)
      return value.value
    default:
      rest.removeFirst()
      return scalar.value
    }
  }

  private static let escapes: [Unicode.Scalar: Unicode.Scalar] = [
    "r": "\r", "n": "\n", "t": "\t", "\\": "\\", "-": "-", "[": "[", "]": "]", "/": "/",
  ]

  private static func joined(_ members: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
    var ranges: [ClosedRange<UInt32>] = []
    for member in members.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = ranges.last, member.lowerBound <= last.upperBound + 1 {
        let upper = max(last.upperBound, member.upperBound)
        ranges[ranges.count - 1] = last.lowerBound...upper
      } else {
        ranges.append(member)
      }
    }
    return ranges
  }

  /// Where the match, or the gap before the next match, ends that begins at `start`.
  func end(from start: Int, in text: Span<UInt8>) -> Int {
    if let end = matchEnd(from: start, in: text) { return end }
    var end = text.scalarEnd(from: start)
    while end < text.count, !isMatch(at: end, in: text) { end = text.scalarEnd(from: end) }
    return end
  }

  private func isMatch(at start: Int, in text: Span<UInt8>) -> Bool {
    if contains(text, at: start) { return true }
    let end = text.scalarEnd(from: start)
    return takesSpace && end < text.count && contains(text, at: end)
      && text.classified(at: start).kind == .space
  }

  private func matchEnd(from start: Int, in text: Span<UInt8>) -> Int? {
    guard isMatch(at: start, in: text) else { return nil }
    var end = text.scalarEnd(from: start)
    if takesSpace, end < text.count, text.classified(at: start).kind == .space,
      contains(text, at: end)
    {
      end = text.scalarEnd(from: end)
    }
    while repeats, end < text.count, contains(text, at: end) { end = text.scalarEnd(from: end) }
    return end
  }

  @inline(__always)
  private func contains(_ text: Span<UInt8>, at start: Int) -> Bool {
    text[start] < 0x80 ? ascii[Int(text[start])] : contains(text.scalar(at: start).value)
  }

  private func contains(_ value: UInt32) -> Bool {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < value { low = middle + 1 } else { high = middle }
    }
    return low < ranges.count && ranges[low].lowerBound <= value
  }
}
