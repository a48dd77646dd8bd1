import JSON

/// Which features of `tokenizer.json` are supported; everything else is refused by name.
struct TokenizerFeatures {
  let file: String

  /// Keys that do not change ids.
  private static let harmlessKeys: Set<String> = [
    "version", "decoder", "pre_tokenizer", "post_processor",
  ]

  func checkTopLevel(_ keys: JSONObject) throws(TokenizerError) {
    for (key, value) in keys.sortedMembers {
      if Self.harmlessKeys.contains(key) { continue }
      // "normalizer", "truncation", "padding", and whatever later versions add.
      try require(value == .null, key, value, supported: "null")
    }
    let decoder = keys["decoder"] ?? .null
    try require(
      decoder["type"] == .string("ByteLevel"), "decoder", summary(decoder), supported: "ByteLevel")
  }

  func checkModel(_ keys: JSONObject) throws(TokenizerError) {
    let type = keys["type"] ?? .null
    try require(type == .string("BPE"), "model.type", type, supported: "\"BPE\"")
    for (key, value) in keys.sortedMembers {
      let isSupported =
        switch key {
        case "type", "ignore_merges": true
        // No byte is unknown (checked with the vocabulary), so that these have no effect.
        case "unk_token", "fuse_unk": true
        case "dropout": value == .null || value.doubleValue == 0
        case "continuing_subword_prefix", "end_of_word_suffix":
          value == .null || value == .string("")
        default: value == .null || value == .bool(false)
        }
      try require(isSupported, "model.\(key)", value, supported: "null, false or empty")
    }
  }

  func checkAddedTokens(_ tokens: [TokenizerFile.AddedToken]) throws(TokenizerError) {
    for token in tokens {
      let flags = [
        ("single_word", token.isSingleWord), ("lstrip", token.stripsLeft),
        ("rstrip", token.stripsRight),
      ]
      for (name, isSet) in flags {
        try require(
          !isSet, "added_tokens \"\(token.content)\" \(name)", .bool(isSet), supported: "false")
      }
    }
  }

  /// The flags of the `ByteLevel` pre-tokenizer.
  func byteLevel(
    _ value: JSONValue
  ) throws(TokenizerError) -> (addsPrefixSpace: Bool, splitsWords: Bool) {
    try require(
      value["type"] == .string("ByteLevel"), "pre_tokenizer", summary(value),
      supported: "ByteLevel")
    for (key, setting) in value.objectValue?.sortedMembers ?? [] {
      let isSupported =
        switch key {
        case "type", "trim_offsets": true
        case "add_prefix_space", "use_regex": setting.boolValue != nil
        default: false
        }
      try require(isSupported, "pre_tokenizer.\(key)", setting, supported: "ByteLevel's own keys")
    }
    // The defaults of the reference implementation.
    return (value["add_prefix_space"]?.boolValue ?? true, value["use_regex"]?.boolValue ?? true)
  }

  /// The special tokens that a post-processor puts around a single text.
  func template(
    _ value: JSONValue
  ) throws(TokenizerError) -> (prefix: [String], suffix: [String]) {
    switch value["type"]?.stringValue {
    case nil where value == .null: return ([], [])
    case "ByteLevel": return ([], [])
    case "TemplateProcessing": return try singleTemplate(value)
    default:
      throw unsupported(
        "post_processor", summary(value), supported: "null, ByteLevel or TemplateProcessing")
    }
  }

  private func singleTemplate(
    _ value: JSONValue
  ) throws(TokenizerError) -> (prefix: [String], suffix: [String]) {
    var (prefix, suffix, sawText) = ([String](), [String](), false)
    for piece in value["single"]?.arrayValue ?? [] {
      if piece["Sequence"]?["id"] == .string("A"), !sawText {
        sawText = true
      } else if let name = piece["SpecialToken"]?["id"]?.stringValue {
        let tokens = try specialTokens(value.member("special_tokens").member(name), name: name)
        if sawText { suffix += tokens } else { prefix += tokens }
      } else {
        throw unsupported(
          "post_processor.single", piece, supported: "special tokens around one sequence A")
      }
    }
    try require(
      sawText, "post_processor.single", value.member("single"),
      supported: "a template with sequence A")
    return (prefix, suffix)
  }

  private func specialTokens(
    _ value: JSONValue, name: String
  ) throws(TokenizerError) -> [String] {
    let tokens = (value["tokens"]?.arrayValue ?? []).compactMap(\.stringValue)
    guard !tokens.isEmpty else {
      throw .unknownToken(file: file, token: name, key: "post_processor.special_tokens")
    }
    return tokens
  }

  private func require(
    _ condition: Bool, _ key: String, _ found: JSONValue, supported: String
  ) throws(TokenizerError) {
    if !condition { throw unsupported(key, found, supported: supported) }
  }

  private func unsupported(_ key: String, _ found: JSONValue, supported: String) -> TokenizerError {
    .unsupported(file: file, key: key, found: PrettyJSON.line(found), supported: supported)
  }

  /// The type alone where there is one: a whole pre-tokenizer is too long for a sentence.
  private func summary(_ value: JSONValue) -> JSONValue {
    value.member("type") == .null ? value : value.member("type")
  }
}
