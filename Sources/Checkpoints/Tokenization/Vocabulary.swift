/// Tokens and their ids, in both directions.
struct Vocabulary: Sendable {
  /// Larger ids would only waste memory on a damaged file.
  private static let idLimit = 1 << 24

  private let idOfToken: [String: Int32]
  /// Bytes that each id decodes to, by id; nil for a hole.
  private let bytesOfID: [[UInt8]?]
  private let tokenOfID: [String?]
  let specialIDs: Set<Int32>

  /// Number of tokens, added ones included.
  var count: Int { idOfToken.count }

  /// Joins model vocabulary and added tokens.
  ///
  /// - Throws: ``TokenizerError/invalidToken(file:token:id:reason:)`` for ids that are out of range,
  ///   used twice, or that contradict each other.
  init(_ file: TokenizerFile) throws(TokenizerError) {
    var ids: [String: Int32] = [:]
    var tokens: [String?] = []
    let added = file.addedTokens.map { ($0.content, $0.id) }
    for (token, id) in file.vocabulary.sorted(by: { $0.value < $1.value }) + added {
      func invalid(_ reason: String) -> TokenizerError {
        .invalidToken(file: file.path, token: token, id: id, reason: reason)
      }
      guard 0..<Self.idLimit ~= id else { throw invalid("is not in 0..<\(Self.idLimit)") }
      guard !token.isEmpty else { throw invalid("is empty") }
      if let known = ids[token], known != Int32(id) { throw invalid("also has id \(known)") }
      if id >= tokens.count {
        tokens.append(contentsOf: [String?](repeating: nil, count: id + 1 - tokens.count))
      }
      if let other = tokens[id], other != token { throw invalid("shares it with \"\(other)\"") }
      ids[token] = Int32(id)
      tokens[id] = token
    }
    try Self.checkNumbering(of: file)
    idOfToken = ids
    tokenOfID = tokens
    // As the reference decodes: a token outside the byte alphabet stands for its own UTF-8.
    bytesOfID = tokens.map { $0.map { ByteAlphabet.bytes(of: $0) ?? Array($0.utf8) } }
    specialIDs = Set(file.addedTokens.filter(\.isSpecial).map { Int32($0.id) })
  }

  /// The reference gives an added token the id of the same token in the model, or else the next
  /// free one, and passes over the id in the file; where the two differ, ids would be in doubt.
  private static func checkNumbering(of file: TokenizerFile) throws(TokenizerError) {
    var next = file.vocabulary.count
    for token in file.addedTokens {
      let expected = file.vocabulary[token.content] ?? next
      guard token.id == expected else {
        throw .invalidToken(
          file: file.path, token: token.content, id: token.id,
          reason: "would get id \(expected) from the tokenizers package")
      }
      next = max(next, expected + 1)
    }
  }

  func id(of token: String) -> Int32? { idOfToken[token] }

  func token(_ id: Int32) -> String? {
    tokenOfID.indices.contains(Int(id)) ? tokenOfID[Int(id)] : nil
  }

  func bytes(_ id: Int32) -> [UInt8]? {
    bytesOfID.indices.contains(Int(id)) ? bytesOfID[Int(id)] : nil
  }
}
