/// Tokens and their ids, in both directions.
struct Vocabulary: Sendable {
  /// Larger ids would only waste memory on a damaged file.
  private static let idLimit = 1 << 24

  private var tokens: ByteStringTable
  /// Id of each token of the table.
  private var idOfNumber: [Int32] = []
  /// Number in the table of each id; -1 for a hole.
  private var numberOfID: [Int32] = []
  let specialIDs: Set<Int32>

  /// Number of tokens, added ones included.
  var count: Int { tokens.count }

  /// Joins model vocabulary and added tokens.
  ///
  /// - Throws: ``TokenizerError/invalidToken(file:token:id:reason:)`` for ids that are out of range,
  ///   used twice, or that contradict each other.
  init(_ file: TokenizerFile) throws(TokenizerError) {
    tokens = ByteStringTable(capacity: file.model.vocabulary.count + file.addedTokens.count)
    specialIDs = Set(
      file.addedTokens.lazy.filter(\.isSpecial).compactMap { Int32(exactly: $0.id) })
    for (token, id) in file.model.vocabulary { try insert(token, id, file: file.path) }
    // The reference gives an added token the id of the same token in the model, or else the next
    // free one, and passes over the id in the file; where the two differ, ids would be in doubt.
    var next = file.model.vocabulary.count
    for token in file.addedTokens {
      let expected = id(of: token.content).map(Int.init) ?? next
      guard token.id == expected else {
        throw .invalidToken(
          file: file.path, token: token.content, id: token.id,
          reason: "would get id \(expected) from the tokenizers package")
      }
      try insert(token.content, token.id, file: file.path)
      next = max(next, expected + 1)
    }
  }

  private mutating func insert(
    _ token: String, _ id: Int, file: String
  ) throws(TokenizerError) {
    func invalid(_ reason: String) -> TokenizerError {
      .invalidToken(file: file, token: token, id: id, reason: reason)
    }
    guard 0..<Self.idLimit ~= id else { throw invalid("is not in 0..<\(Self.idLimit)") }
    guard !token.isEmpty else { throw invalid("is empty") }
    let number = tokens.insert(Array(token.utf8).span)
    if number == idOfNumber.count { idOfNumber.append(Int32(id)) }
    guard idOfNumber[number] == Int32(id) else {
      throw invalid("also has id \(idOfNumber[number])")
    }
    if id >= numberOfID.count {
      numberOfID += [Int32](repeating: -1, count: id + 1 - numberOfID.count)
    }
    if numberOfID[id] >= 0, numberOfID[id] != Int32(number) {
      throw invalid("shares it with \"\(self.token(Int32(id)) ?? "")\"")
    }
    numberOfID[id] = Int32(number)
  }

  func id(of token: Span<UInt8>) -> Int32? { tokens.number(of: token).map { idOfNumber[$0] } }
  func id(of token: [UInt8]) -> Int32? { id(of: token.span) }
  func id(of token: String) -> Int32? { id(of: Array(token.utf8).span) }

  func token(_ id: Int32) -> String? {
    tokenBytes(id).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The token as the file spells it, as UTF-8.
  func tokenBytes(_ id: Int32) -> ArraySlice<UInt8>? {
    guard numberOfID.indices.contains(Int(id)), numberOfID[Int(id)] >= 0 else { return nil }
    return tokens[Int(numberOfID[Int(id)])]
  }

  /// One more than the largest id.
  var idLimit: Int { numberOfID.count }
}
