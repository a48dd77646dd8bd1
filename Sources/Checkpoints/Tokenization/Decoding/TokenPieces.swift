/// What each id stands for in a text, in one flat buffer.
struct TokenPieces: Sendable {
  private static let replacement = Array("\u{FFFD}".utf8)

  private let decoding: TextDecoding
  private var bytes: [UInt8] = []
  /// Where the piece of each id begins; one more than ids.
  private var starts: [Int] = [0]
  private var isByte: [Bool] = []
  private var exists: [Bool] = []

  /// Decodes each token alone; `spellings` stand in place of some of them, by id.
  init(_ vocabulary: Vocabulary, _ decoding: TextDecoding, spellings: [Int32: [UInt8]]) {
    self.decoding = decoding
    for id in 0..<vocabulary.idLimit {
      let token = spellings[Int32(id)]?[...] ?? vocabulary.tokenBytes(Int32(id))
      let piece = token.map(decoding.piece)
      bytes += piece?.bytes ?? []
      starts.append(bytes.count)
      isByte.append(piece?.isByte ?? false)
      exists.append(token != nil)
    }
  }

  /// The bytes of text that an id stands for, nil if there is no such token.
  subscript(id: Int32) -> ArraySlice<UInt8>? {
    guard exists.indices.contains(Int(id)), exists[Int(id)] else { return nil }
    return bytes[starts[Int(id)]..<starts[Int(id) + 1]]
  }

  /// The text of ids; what is not UTF-8, and ids without a token, become U+FFFD.
  func text(of ids: some Sequence<Int32>) -> String {
    var text: [UInt8] = []
    switch decoding {
    case .byteLevel:
      for id in ids { text += self[id] ?? Self.replacement[...] }
      return String(decoding: text, as: UTF8.self)
    case .metaspace(_, let dropsFirst):
      var isFirst = true
      for id in ids {
        let piece = self[id] ?? Self.replacement[...]
        text += isFirst && dropsFirst ? withoutMarkers(piece) : piece
        isFirst = false
      }
      return String(decoding: text, as: UTF8.self)
    case .pieces(let decoding):
      return String(decoding: decoding.strip(fused(ids)), as: UTF8.self)
    }
  }

  /// The first token loses its markers, which are spaces by now.
  private func withoutMarkers(_ piece: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    piece.filter { $0 != UInt8(ascii: " ") }[...]
  }

  /// Pieces in a row; a run of bytes that is not UTF-8 becomes one U+FFFD for each of them.
  private func fused(_ ids: some Sequence<Int32>) -> [UInt8] {
    var (text, run) = ([UInt8](), [UInt8]())
    for id in ids {
      let piece = self[id] ?? Self.replacement[...]
      if self[id] != nil, isByte[Int(id)] {
        run += piece
        continue
      }
      Self.append(&run, to: &text)
      text += piece
    }
    Self.append(&run, to: &text)
    return text
  }

  private static func append(_ run: inout [UInt8], to text: inout [UInt8]) {
    guard !run.isEmpty else { return }
    if String(validating: run, as: UTF8.self) != nil {
      text += run
    } else {
      for _ in run { text += replacement }
    }
    run.removeAll(keepingCapacity: true)
  }
}
