/// Why a `tokenizer.json` or a text cannot be used.
public enum TokenizerError: Error, Equatable {
  case unreadable(file: String, reason: String)
  case unsupported(file: String, key: String, found: String, supported: String)
  case missingByte(file: String, byte: UInt8)
  case invalidMerge(file: String, rank: Int, merge: String, reason: String)
  case invalidToken(file: String, token: String, id: Int, reason: String)
  case unknownToken(file: String, token: String, key: String)
  case invalidUTF8(offset: Int)
}

extension TokenizerError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unreadable(let file, let reason):
      "Cannot read \(file): \(reason.asClause). Give the tokenizer.json of a Hugging Face checkpoint."
    case .unsupported(let file, let key, let found, let supported):
      "\(file): \(key) is \(found), supported is \(supported); this tokenizer cannot be used yet."
    case .missingByte(let file, let byte):
      "\(file) has no token for byte \(byte), so that some texts could not be encoded; "
        + "train the tokenizer with the whole byte alphabet."
    case .invalidMerge(let file, let rank, let merge, let reason):
      "\(file): merge \(rank) \"\(merge)\" \(reason); download the file again."
    case .invalidToken(let file, let token, let id, let reason):
      "\(file): token \"\(token)\" with id \(id) \(reason); download the file again."
    case .unknownToken(let file, let token, let key):
      "\(file): \(key) names token \"\(token)\", which the vocabulary does not hold; "
        + "download the file again."
    case .invalidUTF8(let offset):
      "The text is not UTF-8 at byte \(offset); convert it first."
    }
  }
}
