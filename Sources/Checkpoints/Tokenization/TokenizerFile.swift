import Foundation
import JSON

/// A `tokenizer.json` whose every part is known to be supported.
struct TokenizerFile {
  struct AddedToken {
    let id: Int
    let content: String
    let isSpecial: Bool
    let isNormalized: Bool
    let isSingleWord: Bool
    let stripsLeft: Bool
    let stripsRight: Bool
  }

  let path: String
  let vocabulary: [String: Int]
  /// Left and right token of each merge, in the order of their ranks.
  let merges: [(left: String, right: String)]
  let ignoresMerges: Bool
  let addedTokens: [AddedToken]
  let addsPrefixSpace: Bool
  let splitsWords: Bool
  /// Special tokens that the post-processor puts before and behind a text.
  let prefixTokens: [String]
  let suffixTokens: [String]

  /// Reads and checks the file.
  ///
  /// - Throws: ``TokenizerError``; anything that would change ids and is not supported is refused.
  init(_ url: URL) throws(TokenizerError) {
    path = url.path
    let layout: Layout
    do {
      layout = try Layout(Data(contentsOf: url))
    } catch {
      throw .unreadable(file: url.path, reason: "\(error)")
    }
    let features = TokenizerFeatures(file: url.path)
    try features.checkTopLevel(layout.other)
    try features.checkModel(layout.model.other)
    try features.checkAddedTokens(layout.addedTokens)
    (addsPrefixSpace, splitsWords) = try features.byteLevel(layout.other["pre_tokenizer"] ?? .null)
    (prefixTokens, suffixTokens) = try features.template(layout.other["post_processor"] ?? .null)
    vocabulary = layout.model.vocabulary
    merges = try Self.pairs(layout.model.merges, file: url.path)
    ignoresMerges = layout.model.other["ignore_merges"]?.boolValue ?? false
    addedTokens = layout.addedTokens
  }

  private static func pairs(
    _ merges: [[String]], file: String
  ) throws(TokenizerError) -> [(left: String, right: String)] {
    var pairs: [(left: String, right: String)] = []
    pairs.reserveCapacity(merges.count)
    for (rank, parts) in merges.enumerated() {
      guard parts.count == 2 else {
        throw .invalidMerge(
          file: file, rank: rank, merge: parts.joined(separator: " "),
          reason: "has \(parts.count) parts, expected 2")
      }
      pairs.append((parts[0], parts[1]))
    }
    return pairs
  }
}

/// The file's JSON: large tables are taken out at once, the rest is kept for inspection.
private struct Layout {
  let model: Model
  var addedTokens: [TokenizerFile.AddedToken] = []
  var other: JSONObject

  /// - Throws: `JSONSyntaxError` or ``UnexpectedValue``.
  init(_ data: Data) throws {
    other = try JSONParser.parse(data, admitting: .roundedIntegers)
      .expect("an object", at: JSONPointer(), \.objectValue)
    model = try Model(other["model"] ?? .null)
    if let tokens = other["added_tokens"] {
      let place = JSONPointer(["added_tokens"])
      for (index, token) in try tokens.expect("an array", at: place, \.arrayValue).enumerated() {
        addedTokens.append(try TokenizerFile.AddedToken(token, at: place.appending(index)))
      }
    }
    (other["model"], other["added_tokens"]) = (nil, nil)
  }

  struct Model {
    var vocabulary: [String: Int] = [:]
    /// The parts of each merge, two in a file that is whole.
    var merges: [[String]] = []
    var other: JSONObject

    init(_ value: JSONValue) throws(UnexpectedValue) {
      let place = JSONPointer(["model"])
      other = try value.expect("an object", at: place, \.objectValue)
      // Other models keep tables of other shapes under these names; their type is refused later.
      if value["type"] == .string("BPE") {
        if let table = other["vocab"] {
          vocabulary = try Self.vocabulary(table, at: place.appending("vocab"))
        }
        if let table = other["merges"] {
          merges = try Self.merges(table, at: place.appending("merges"))
        }
      }
      (other["vocab"], other["merges"]) = (nil, nil)
    }

    private static func vocabulary(
      _ table: JSONValue, at place: JSONPointer
    ) throws(UnexpectedValue) -> [String: Int] {
      let members = try table.expect("an object", at: place, \.objectValue).members
      var vocabulary: [String: Int] = [:]
      vocabulary.reserveCapacity(members.count)
      for (token, id) in members {
        vocabulary[token] = try id.expect("an integer", at: place.appending(token), \.intValue)
      }
      return vocabulary
    }

    /// Merges are written `"a b"`, or `["a", "b"]` since tokenizers 0.20.
    private static func merges(
      _ table: JSONValue, at place: JSONPointer
    ) throws(UnexpectedValue) -> [[String]] {
      var merges: [[String]] = []
      for (rank, merge) in try table.expect("an array", at: place, \.arrayValue).enumerated() {
        if let line = merge.stringValue {
          let parts = line.split(separator: " ", omittingEmptySubsequences: false)
          merges.append(parts.map(String.init))
        } else {
          merges.append(
            try merge.expect("a string or an array of strings", at: place.appending(rank)) {
              let parts = $0.arrayValue?.map(\.stringValue)
              return parts?.contains(nil) == false ? parts?.compactMap(\.self) : nil
            })
        }
      }
      return merges
    }
  }
}

extension TokenizerFile.AddedToken {
  fileprivate init(_ value: JSONValue, at place: JSONPointer) throws(UnexpectedValue) {
    func flag(_ key: String) throws(UnexpectedValue) -> Bool {
      try value.member(key).expect("true or false", at: place.appending(key), \.boolValue)
    }
    id = try value.member("id").expect("an integer", at: place.appending("id"), \.intValue)
    content = try value.member("content")
      .expect("a string", at: place.appending("content"), \.stringValue)
    isSpecial = try flag("special")
    isNormalized = try flag("normalized")
    isSingleWord = try flag("single_word")
    stripsLeft = try flag("lstrip")
    stripsRight = try flag("rstrip")
  }
}
