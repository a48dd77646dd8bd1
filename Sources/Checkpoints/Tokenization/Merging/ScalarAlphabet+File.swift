extension ScalarAlphabet {
  /// - Throws: ``TokenizerError`` if nothing stands for scalars without a token: the reference drops
  ///   them in silence.
  init(_ file: TokenizerFile, _ vocabulary: Vocabulary) throws(TokenizerError) {
    ids = Self.ids(file.model)
    byteIDs = (UInt8.min...UInt8.max).map { byte in
      file.model.hasByteFallback ? vocabulary.id(of: Self.token(of: byte)) : nil
    }
    fusesUnknown = file.model.fusesUnknown
    unknownID = try file.model.unknownToken.map { token throws(TokenizerError) in
      guard let id = vocabulary.id(of: token) else {
        throw .unknownToken(file: file.path, token: token, key: "/model/unk_token")
      }
      return id
    }
    if unknownID == nil, let byte = byteIDs.firstIndex(of: nil) {
      throw .missingByte(file: file.path, byte: UInt8(truncatingIfNeeded: byte))
    }
  }

  private static func ids(_ model: BPEModel) -> [Int32] {
    var ids: [Int32] = []
    for (token, id) in model.vocabulary {
      let scalars = token.unicodeScalars
      guard let scalar = scalars.first, scalars.dropFirst().isEmpty else { continue }
      let value = Int(scalar.value)
      if value >= ids.count { ids += Array(repeating: -1, count: value + 1 - ids.count) }
      ids[value] = Int32(id)
    }
    return ids
  }

  /// `<0x0A>` for a line feed.
  private static func token(of byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return "<0x" + (digits.utf8.count < 2 ? "0" : "") + digits + ">"
  }
}
