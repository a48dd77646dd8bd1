import JSON

/// The `model` of a `tokenizer.json`: vocabulary, merges and the flags of byte-pair encoding.
struct BPEModel {
  /// Tokens and their ids, in the order of the file.
  let vocabulary: [(token: String, id: Int)]
  /// Each `"a b"`, or `["a", "b"]` since tokenizers 0.20, in the order of their ranks.
  let merges: [JSONValue]
  /// Whether a word that is a token is taken whole, before any merge.
  let ignoresMerges: Bool
  /// Whether an unknown scalar becomes tokens such as `<0x0A>`, one for each of its bytes.
  let hasByteFallback: Bool
  let unknownToken: String?
  let fusesUnknown: Bool

  /// - Throws: ``TokenizerError`` for another model, or a setting that would change ids.
  init(_ part: TokenizerPart) throws(TokenizerError) {
    guard part.type == "BPE" else { throw part.member("type").unsupported("\"BPE\"") }
    try part.requireOnly([
      "type", "vocab", "merges", "ignore_merges", "byte_fallback", "unk_token", "fuse_unk",
      "dropout", "continuing_subword_prefix", "end_of_word_suffix",
    ])
    try part.require("dropout", isOneOf: [0])
    try part.require("continuing_subword_prefix", isOneOf: [""])
    try part.require("end_of_word_suffix", isOneOf: [""])
    ignoresMerges = try part.flag("ignore_merges", otherwise: false)
    hasByteFallback = try part.flag("byte_fallback", otherwise: false)
    fusesUnknown = try part.flag("fuse_unk", otherwise: false)
    unknownToken = part.member("unk_token").value.isNull ? nil : try part.text("unk_token")
    vocabulary = try Self.vocabulary(part.member("vocab"))
    guard let merges = part.member("merges").value.arrayValue else {
      throw part.member("merges").unsupported("an array")
    }
    self.merges = merges
  }

  private static func vocabulary(
    _ part: TokenizerPart
  ) throws(TokenizerError) -> [(token: String, id: Int)] {
    guard let members = part.value.objectValue?.members else { throw part.unsupported("an object") }
    var vocabulary: [(token: String, id: Int)] = []
    vocabulary.reserveCapacity(members.count)
    for (token, value) in members {
      guard let id = value.intValue else { throw part.member(token).unsupported("an integer") }
      vocabulary.append((token, id))
    }
    return vocabulary
  }
}
