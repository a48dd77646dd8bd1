import JSON

extension BytePairEncoding {
  /// What marks a space in vocabularies of SentencePiece: "▁".
  static let spaceMarker: [UInt8] = Array("\u{2581}".utf8)

  /// Resolves bytes, scalars, merges and whole tokens to ids.
  ///
  /// - Throws: ``TokenizerError`` for a byte without a token or a merge of unknown tokens.
  init(_ file: TokenizerFile, _ vocabulary: Vocabulary) throws(TokenizerError) {
    let isByteLevel = file.preTokenization.isByteLevel
    alphabet =
      isByteLevel
      ? .bytes(try Self.byteIDs(file, vocabulary)) : .scalars(try ScalarAlphabet(file, vocabulary))
    merges = try Self.merges(file, vocabulary)
    wholeTokens = file.model.ignoresMerges ? Self.wholeTokens(file) : [:]
  }

  private static func byteIDs(
    _ file: TokenizerFile, _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> [Int32] {
    var ids: [Int32] = []
    for byte in UInt8.min...UInt8.max {
      let id = vocabulary.id(of: String(ByteAlphabet.scalars[Int(byte)]))
      guard id != nil || !occursInUTF8(byte) else {
        throw .missingByte(file: file.path, byte: byte)
      }
      ids.append(id ?? unused)
    }
    return ids
  }

  /// In place of an id for bytes that no text holds; OLMoE and DeepSeek-V2 have no token for them.
  private static let unused = Int32.max

  private static func occursInUTF8(_ byte: UInt8) -> Bool {
    switch byte {
    case 0xC0, 0xC1, 0xF5...0xFF: false
    default: true
    }
  }

  private static func merges(
    _ file: TokenizerFile, _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> MergeTable {
    var table = MergeTable(capacity: file.model.merges.count)
    for (rank, merge) in file.model.merges.enumerated() {
      func invalid(_ reason: String) -> TokenizerError {
        let parts = merge.arrayValue?.compactMap(\.stringValue).joined(separator: " ")
        return .invalidMerge(
          file: file.path, rank: rank, merge: merge.stringValue ?? parts ?? PrettyJSON.line(merge),
          reason: reason)
      }
      guard let pair = MergePair(merge) else {
        throw invalid("has not 2 parts")
      }
      guard let left = vocabulary.id(of: pair.left), let right = vocabulary.id(of: pair.right),
        let merged = vocabulary.id(of: pair.left + pair.right)
      else { throw invalid("names or makes a token that is not in the vocabulary") }
      table[left, right] = MergeTable.Merge(rank: UInt32(truncatingIfNeeded: rank), id: merged)
    }
    return table
  }

  private static func wholeTokens(_ file: TokenizerFile) -> [[UInt8]: Int32] {
    var tokens: [[UInt8]: Int32] = [:]
    for (token, id) in file.model.vocabulary {
      let bytes =
        file.preTokenization.isByteLevel ? ByteAlphabet.bytes(of: token) : Array(token.utf8)
      if let bytes { tokens[bytes] = Int32(id) }
    }
    return tokens
  }

  /// Whether no merge joins a marker to what stands before it, another marker excepted.
  ///
  /// Every token that crosses such a place would come from a merge across it. Hence a long text may
  /// be cut there without a change of ids, and its words need merging only once.
  static func neverJoinsBeforeMarker(_ file: TokenizerFile, _ vocabulary: Vocabulary) -> Bool {
    guard !file.model.ignoresMerges, vocabulary.id(of: spaceMarker.span) != nil else {
      return false
    }
    return file.model.merges.allSatisfy { merge in
      guard let pair = MergePair(merge) else { return false }
      return !pair.right.starts(with: spaceMarker) || pair.left.ends(with: spaceMarker)
    }
  }
}

/// The two tokens of a merge, as UTF-8.
private struct MergePair {
  let left: [UInt8]
  let right: [UInt8]

  /// Nil for anything but `"a b"` and `["a", "b"]`.
  init?(_ merge: JSONValue) {
    if let line = merge.stringValue {
      // As bytes: a space and the combining mark behind it are one Character.
      let parts = line.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
      guard parts.count == 2 else { return nil }
      (left, right) = (Array(parts[0]), Array(parts[1]))
    } else {
      let parts = (merge.arrayValue ?? []).map(\.stringValue)
      guard parts.count == 2, let first = parts[0], let second = parts[1] else { return nil }
      (left, right) = (Array(first.utf8), Array(second.utf8))
    }
  }
}

extension Array where Element == UInt8 {
  fileprivate func ends(with bytes: [UInt8]) -> Bool { suffix(bytes.count).elementsEqual(bytes) }
}
