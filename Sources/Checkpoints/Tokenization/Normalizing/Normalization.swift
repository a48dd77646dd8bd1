/// What is done to a text before it is cut into words.
struct Normalization: Sendable {
  enum Step: Sendable {
    case canonicalComposition
    /// Puts a text before every text that is not empty.
    case prepend([UInt8])
    case replace([UInt8], with: [UInt8])
  }

  var steps: [Step] = []

  /// The text, valid UTF-8, after all steps; nil if they leave it as it is.
  func normalized(_ text: Span<UInt8>) -> [UInt8]? {
    var result: [UInt8]?
    for step in steps {
      let next =
        if let result { step.applied(to: result.span) } else { step.applied(to: text) }
      result = next ?? result
    }
    return result
  }
}

extension Normalization.Step {
  /// The changed text; nil if nothing changes.
  fileprivate func applied(to text: Span<UInt8>) -> [UInt8]? {
    switch self {
    case .canonicalComposition: CanonicalComposition.composed(text)
    case .prepend(let prefix): text.isEmpty ? nil : prefix + Array(copying: text)
    case .replace(let pattern, let content): text.replacing(pattern, with: content)
    }
  }
}

extension Span where Element == UInt8 {
  /// Every occurrence of `pattern` replaced, from left to right; nil if there is none.
  func replacing(_ pattern: [UInt8], with content: [UInt8]) -> [UInt8]? {
    guard let first = pattern.first else { return nil }
    var result: [UInt8] = []
    var (start, position) = (0, 0)
    while position + pattern.count <= count {
      guard self[position] == first, holds(pattern, at: position) else {
        position += 1
        continue
      }
      if start == 0 { result.reserveCapacity(count + count / 2) }
      result.append(copying: extracting(start..<position))
      result.append(contentsOf: content)
      position += pattern.count
      start = position
    }
    guard start > 0 else { return nil }
    result.append(copying: extracting(start..<count))
    return result
  }

  /// Whether `bytes` stand at `position`.
  func holds(_ bytes: [UInt8], at position: Int) -> Bool {
    guard position + bytes.count <= count else { return false }
    for index in bytes.indices where self[position + index] != bytes[index] { return false }
    return true
  }
}

extension Array where Element == UInt8 {
  /// The bytes of a span.
  init(copying span: Span<UInt8>) {
    self = span.withUnsafeBufferPointer { Array($0) }
  }

  mutating func append(copying span: Span<UInt8>) {
    span.withUnsafeBufferPointer { append(contentsOf: $0) }
  }
}
