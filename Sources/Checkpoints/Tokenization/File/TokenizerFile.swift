import Foundation
import JSON

/// A `tokenizer.json` whose every part is known to be supported.
struct TokenizerFile {
  let path: String
  let model: BPEModel
  let addedTokens: [AddedToken]
  let normalization: Normalization
  let preTokenization: PreTokenization
  let decoding: TextDecoding
  let template: TextTemplate

  /// Reads and checks the file.
  ///
  /// - Throws: ``TokenizerError``; anything that would change ids or text and is not supported is
  ///   refused.
  init(_ url: URL) throws(TokenizerError) {
    path = url.path
    let root = TokenizerPart(file: path, place: JSONPointer(), value: try Self.json(url))
    try root.requireOnly([
      "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
      "post_processor", "decoder", "model",
    ])
    try root.require("truncation")
    try root.require("padding")
    model = try BPEModel(root.member("model"))
    let added = root.member("added_tokens")
    var addedTokens: [AddedToken] = []
    for token in added.value.isNull ? [] : try added.elements() {
      addedTokens.append(try AddedToken(token))
    }
    self.addedTokens = addedTokens
    normalization = try Normalization(root.member("normalizer"))
    preTokenization = try PreTokenization(root.member("pre_tokenizer"))
    template = try TextTemplate(root.member("post_processor"))
    decoding = try TextDecoding(root.member("decoder"))
  }

  private static func json(_ url: URL) throws(TokenizerError) -> JSONValue {
    guard url.pathExtension != "model" else {
      throw .unsupported(
        file: url.path, key: "/", found: "a SentencePiece model",
        supported: "the tokenizer.json that transformers' save_pretrained makes of it")
    }
    do {
      let value = try JSONParser.parse(WholeFile.contents(of: url), admitting: .roundedIntegers)
      guard value.objectValue != nil else {
        throw UnexpectedValue(pointer: JSONPointer(), expected: "an object", found: value.kind)
      }
      return value
    } catch {
      throw .unreadable(file: url.path, reason: "\(error)")
    }
  }
}
