extension TextDecoding {
  private static let supported =
    "ByteLevel, Metaspace, or a Sequence of Replace, ByteFallback, Fuse and Strip in this order"

  init(_ part: TokenizerPart) throws(TokenizerError) {
    switch part.type {
    case "ByteLevel": self = .byteLevel
    case "Metaspace":
      let metaspace = try Metaspace(part)
      self = .metaspace(marker: metaspace.marker, dropsFirst: metaspace.scheme != .never)
    case "Sequence": self = .pieces(try Self.pieces(part.member("decoders")))
    default: throw part.unsupported(Self.supported)
    }
  }

  private static func pieces(_ sequence: TokenizerPart) throws(TokenizerError) -> PieceDecoding {
    let parts = try sequence.elements()
    var decoding = PieceDecoding()
    var last = 0
    for part in parts {
      guard let type = part.type,
        let order = ["Replace", "ByteFallback", "Fuse", "Strip"].firstIndex(of: type),
        order >= last || order == 0 && last == 1
      else { throw part.unsupported(supported) }
      last = order + 1
      try decoding.read(part)
    }
    // Without Fuse, Strip would act on each token.
    guard parts.contains(where: { $0.type == "Fuse" }) else {
      throw sequence.unsupported("a Sequence with Fuse")
    }
    return decoding
  }
}

extension PieceDecoding {
  fileprivate mutating func read(_ part: TokenizerPart) throws(TokenizerError) {
    switch part.type {
    case "Replace": replacements.append(try part.replacedText())
    case "ByteFallback": hasByteFallback = true
    case "Strip":
      stripped = Array(try part.text("content").utf8)
      strippedAtStart = try Self.count(part, "start")
      strippedAtEnd = try Self.count(part, "stop")
    default: break
    }
  }

  private static func count(_ part: TokenizerPart, _ key: String) throws(TokenizerError) -> Int {
    let count = try part.integer(key)
    guard 0...1000 ~= count else { throw part.member(key).unsupported("0 to 1000") }
    return count
  }
}
