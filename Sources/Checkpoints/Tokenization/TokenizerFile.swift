import Foundation

/// A `tokenizer.json` whose every part is known to be supported.
struct TokenizerFile {
  struct AddedToken: Decodable {
    let id: Int
    let content: String
    let isSpecial: Bool
    let isNormalized: Bool
    let isSingleWord: Bool
    let stripsLeft: Bool
    let stripsRight: Bool

    enum CodingKeys: String, CodingKey {
      case id, content
      case isSpecial = "special"
      case isNormalized = "normalized"
      case isSingleWord = "single_word"
      case stripsLeft = "lstrip"
      case stripsRight = "rstrip"
    }
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
      layout = try JSONDecoder().decode(Layout.self, from: Data(contentsOf: url))
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
    merges = try layout.model.merges.pairs(file: url.path)
    ignoresMerges = layout.model.other["ignore_merges"]?.bool ?? false
    addedTokens = layout.addedTokens
  }
}

/// The file's JSON: large tables are decoded at once, the rest is kept for inspection.
private struct Layout: Decodable {
  let model: Model
  var addedTokens: [TokenizerFile.AddedToken] = []
  var other: [String: JSONValue] = [:]

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: AnyKey.self)
    model = try container.decode(Model.self, forKey: AnyKey(stringValue: "model"))
    for key in container.allKeys where key.stringValue != "model" {
      if key.stringValue == "added_tokens" {
        addedTokens = try container.decode([TokenizerFile.AddedToken].self, forKey: key)
      } else {
        other[key.stringValue] = try container.decode(JSONValue.self, forKey: key)
      }
    }
  }

  struct Model: Decodable {
    var vocabulary: [String: Int] = [:]
    var merges = Merges.joined([])
    var other: [String: JSONValue] = [:]

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: AnyKey.self)
      let type = try container.decodeIfPresent(
        String.self, forKey: AnyKey(stringValue: "type"))
      for key in container.allKeys {
        // Other models keep tables of other shapes under these names; their type is refused later.
        switch (key.stringValue, type) {
        case ("vocab", "BPE"):
          vocabulary = try container.decode([String: Int].self, forKey: key)
        case ("merges", "BPE"):
          merges = try container.decode(Merges.self, forKey: key)
        case ("vocab", _), ("merges", _):
          continue
        default:
          other[key.stringValue] = try container.decode(JSONValue.self, forKey: key)
        }
      }
    }
  }

  /// Merges are written `"a b"`, or `["a", "b"]` since tokenizers 0.20.
  enum Merges: Decodable {
    case joined([String])
    case split([[String]])

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let lines = try? container.decode([String].self) {
        self = .joined(lines)
      } else {
        self = .split(try container.decode([[String]].self))
      }
    }

    func pairs(file: String) throws(TokenizerError) -> [(left: String, right: String)] {
      let parts: [[String]] =
        switch self {
        case .joined(let lines):
          lines.map { $0.split(separator: " ", omittingEmptySubsequences: false).map(String.init) }
        case .split(let pairs): pairs
        }
      var pairs: [(left: String, right: String)] = []
      for (rank, part) in parts.enumerated() {
        guard part.count == 2 else {
          throw .invalidMerge(
            file: file, rank: rank, merge: part.joined(separator: " "),
            reason: "has \(part.count) parts, expected 2")
        }
        pairs.append((part[0], part[1]))
      }
      return pairs
    }
  }
}
