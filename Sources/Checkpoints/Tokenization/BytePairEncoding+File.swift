extension BytePairEncoding {
  /// Resolves bytes, merges and whole tokens to ids.
  ///
  /// - Throws: ``TokenizerError`` for a byte without a token or a merge of unknown tokens.
  init(_ file: TokenizerFile, _ vocabulary: Vocabulary) throws(TokenizerError) {
    byteIDs = try Self.byteIDs(file, vocabulary)
    merges = try Self.merges(file, vocabulary)
    wholeTokens = file.ignoresMerges ? Self.wholeTokens(file) : [:]
  }

  private static func byteIDs(
    _ file: TokenizerFile, _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> [Int32] {
    var ids: [Int32] = []
    for byte in UInt8.min...UInt8.max {
      guard let id = vocabulary.id(of: String(ByteAlphabet.scalars[Int(byte)])) else {
        throw .missingByte(file: file.path, byte: byte)
      }
      ids.append(id)
    }
    return ids
  }

  private static func merges(
    _ file: TokenizerFile, _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> MergeTable {
    var table = MergeTable(capacity: file.merges.count)
    for (rank, pair) in file.merges.enumerated() {
      guard let left = vocabulary.id(of: pair.left), let right = vocabulary.id(of: pair.right),
        let merged = vocabulary.id(of: pair.left + pair.right)
      else {
        throw .invalidMerge(
          file: file.path, rank: rank, merge: "\(pair.left) \(pair.right)",
          reason: "names or makes a token that is not in the vocabulary")
      }
      table[left, right] = MergeTable.Merge(rank: UInt32(rank), id: merged)
    }
    return table
  }

  private static func wholeTokens(_ file: TokenizerFile) -> [[UInt8]: Int32] {
    var tokens: [[UInt8]: Int32] = [:]
    for (token, id) in file.vocabulary {
      if let bytes = ByteAlphabet.bytes(of: token) { tokens[bytes] = Int32(id) }
    }
    return tokens
  }
}
