/// One way to cut a text into pieces that follow each other without a gap.
enum SplittingStage: Sendable {
  case gpt2
  case qwen2(Qwen2Splitter)
  case classRun(ClassRunSplitter)
  /// `\s+$`: white space at the end of a line.
  case trailingSpace
  /// Numbers, each digit on its own or not.
  case digits(individual: Bool)
  /// Before every marker of a space.
  case markers([UInt8])
  /// Before every marker of a space that does not follow another.
  case markerRuns([UInt8])

  /// Where the piece that begins at `start` ends; `start` must be a scalar boundary in `text`.
  func end(from start: Int, in text: Span<UInt8>) -> Int {
    switch self {
    case .gpt2: GPT2Splitter.end(from: start, in: text)
    case .qwen2(let splitter): splitter.end(from: start, in: text)
    case .classRun(let splitter): splitter.end(from: start, in: text)
    case .trailingSpace: Self.trailingSpaceEnd(from: start, in: text)
    case .digits(let individual): Self.digitsEnd(from: start, individual, in: text)
    case .markers(let marker):
      Self.nextMarker(marker, from: text.scalarEnd(from: start), in: text)
    case .markerRuns(let marker): Self.markerRunEnd(marker, from: start, in: text)
    }
  }

  private static func trailingSpaceEnd(from start: Int, in text: Span<UInt8>) -> Int {
    var position = start
    while position < text.count {
      let scalar = text.classified(at: position)
      if scalar.kind == .space {
        let end = text.runEnd(of: .space, from: scalar.end)
        if let match = lineEnd(in: position..<end, of: text) {
          return position > start ? position : match
        }
        position = end
      } else {
        position = scalar.end
      }
    }
    return text.count
  }

  /// The last place in or behind a run of white space where a line ends, but not its beginning.
  private static func lineEnd(in run: Range<Int>, of text: Span<UInt8>) -> Int? {
    if run.upperBound == text.count { return text.count }
    var end = run.upperBound - 1
    while end > run.lowerBound {
      if text[end] == UInt8(ascii: "\n") { return end }
      end -= 1
    }
    return nil
  }

  private static func digitsEnd(
    from start: Int, _ individual: Bool, in text: Span<UInt8>
  ) -> Int {
    let isDigit = isNumeric(text, at: start)
    var end = text.scalarEnd(from: start)
    if isDigit && individual { return end }
    while end < text.count, isNumeric(text, at: end) == isDigit {
      end = text.scalarEnd(from: end)
    }
    return end
  }

  /// Rust's `char::is_numeric`, which here is one Unicode version ahead of the patterns' `\p{N}`.
  private static func isNumeric(_ text: Span<UInt8>, at start: Int) -> Bool {
    let byte = text[start]
    if byte < 0x80 { return (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    switch text.scalar(at: start).properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: return true
    default: return false
    }
  }

  private static func nextMarker(_ marker: [UInt8], from start: Int, in text: Span<UInt8>) -> Int {
    guard let first = marker.first else { return text.count }
    var position = start
    while position < text.count {
      if text[position] == first, text.holds(marker, at: position) { return position }
      position += 1
    }
    return text.count
  }

  private static func markerRunEnd(
    _ marker: [UInt8], from start: Int, in text: Span<UInt8>
  ) -> Int {
    var position = start
    while text.holds(marker, at: position) { position += marker.count }
    return nextMarker(marker, from: position, in: text)
  }
}
