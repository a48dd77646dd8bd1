import Checkpoints
import Foundation
import Statistics
import Tensors
import Testing

@Suite("A tokenizer.json with anything unsupported is refused by name")
struct TokenizerFileTests {
  /// The error for the plain tokenizer with one passage of its text replaced.
  private func failure(replacing old: String, with new: String) throws -> String {
    let plain = try String(
      contentsOf: Fixture.url("tokenizer/plain.tokenizer.json"), encoding: .utf8)
    try #require(plain.contains(old), "\(old)")
    let folder = try TemporaryFolder()
    let url = try folder.write("tokenizer.json", plain.replacing(old, with: new).utf8)
    let text = errorText { _ = try Tokenizer(url) }
    #expect(text.contains(url.path), "\(text)")
    return text
  }

  @Test(
    "unsupported features are named with what was found",
    arguments: [
      (#""normalizer":null"#, #""normalizer":{"type":"NFKC"}"#, "/normalizer is", "NFKC"),
      (
        #""normalizer":null"#,
        #""normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Lowercase"}]}"#,
        "/normalizer/normalizers/1 is", "Lowercase"
      ),
      (
        #""normalizer":null"#,
        #""normalizer":{"type":"Replace","pattern":{"Regex":" +"},"content":"_"}"#,
        "/normalizer/pattern is", "Regex"
      ),
      (#""truncation":null"#, #""truncation":{"max_length":5}"#, "/truncation is", "max_length"),
      (#""padding":null"#, #""padding":{"pad_id":0}"#, "/padding is", "pad_id"),
      (#""version":"1.0""#, #""version":"1.0","novelty":true"#, "/novelty is", "true"),
      (#""type":"BPE""#, #""type":"Unigram""#, "/model/type is", "Unigram"),
      (#""dropout":null"#, #""dropout":0.1"#, "/model/dropout is", "0.1"),
      (#""byte_fallback":false"#, #""byte_fallback":1"#, "/model/byte_fallback is", "1"),
      (
        #""end_of_word_suffix":null"#, #""end_of_word_suffix":"</w>""#,
        "/model/end_of_word_suffix is", "</w>"
      ),
      (
        #""pre_tokenizer":{"type":"ByteLevel""#, #""pre_tokenizer":{"type":"Whitespace""#,
        "/pre_tokenizer is", "Whitespace"
      ),
      (
        #""pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
        #""pre_tokenizer":{"type":"Split","pattern":{"Regex":"[^a]+"},"behavior":"Isolated"}"#,
        "/pre_tokenizer/pattern/Regex is", "[^a]+"
      ),
      (#""use_regex":true}"#, #""use_regex":true,"pattern":1}"#, "/pre_tokenizer/pattern is", "1"),
      (
        #""post_processor":null"#, #""post_processor":{"type":"BertProcessing"}"#,
        "/post_processor is", "BertProcessing"
      ),
      (#""decoder":{"type":"ByteLevel""#, #""decoder":{"type":"Fuse""#, "/decoder is", "Fuse"),
      (#""lstrip":false"#, #""lstrip":"no""#, "/added_tokens/0/lstrip is", "no"),
    ])
  func unsupportedFeatureIsNamed(old: String, new: String, key: String, found: String) throws {
    let text = try failure(replacing: old, with: new)
    #expect(text.contains(key) && text.contains(found), "\(text)")
  }

  @Test("a vocabulary without a byte, a merge of unknown tokens and a doubled id are named")
  func damagedTablesAreNamed() throws {
    let byte = try failure(replacing: #""!":0,"#, with: #""!!":0,"#)
    #expect(byte.contains("no token for byte 33"), "\(byte)")
    let merge = try failure(replacing: #""merges":[["#, with: #""merges":[["q","Ġzz"],["#)
    #expect(merge.contains("merge 0 \"q Ġzz\""), "\(merge)")
    let parts = try failure(replacing: #""merges":[["#, with: #""merges":[["q"],["#)
    #expect(parts.contains("has not 2 parts"), "\(parts)")
    let twice = try failure(replacing: #""!":0,"#, with: #""!":1,"#)
    #expect(twice.contains("with id 1 shares it with"), "\(twice)")
    let huge = try failure(replacing: #""!":0,"#, with: #""!":99999999999,"#)
    #expect(huge.contains("with id 99999999999 is not in"), "\(huge)")
  }

  @Test("an added token whose id the reference would pass over is refused")
  func doubtfulNumberingIsNamed() throws {
    let text = try failure(replacing: #"{"id":496,"#, with: #"{"id":600,"#)
    #expect(text.contains("with id 600 would get id 496"), "\(text)")
  }

  @Test("a template that names a token outside the vocabulary is refused")
  func unknownTemplateTokenIsNamed() throws {
    let template =
      #""post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},"#
      + #"{"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"ids":[1],"tokens":["<s>"]}}}"#
    let text = try failure(replacing: #""post_processor":null"#, with: template)
    #expect(text.contains("names token \"<s>\""), "\(text)")
  }

  @Test("a file that is missing or not JSON is named")
  func unreadableFileIsNamed() throws {
    #expect(try failure(replacing: #"{"version""#, with: "{").contains("Cannot read"))
    let folder = try TemporaryFolder()
    let missing = folder.url.appendingPathComponent("tokenizer.json")
    #expect(errorText { _ = try Tokenizer(missing) }.contains("Cannot read \(missing.path)"))
    let model = folder.url.appendingPathComponent("tokenizer.model")
    #expect(errorText { _ = try Tokenizer(model) }.contains("is a SentencePiece model"))
  }

  @Test(
    "no change of bytes traps, in reading or in encoding",
    arguments: ["template", "families/llama2", "families/deepseek2", "families/flagged"])
  func randomDamageIsSurvived(variant: String) throws {
    let whole = try Array(Data(contentsOf: Fixture.url("tokenizer/\(variant).tokenizer.json")))
    let folder = try TemporaryFolder()
    var random = SeededGenerator(seed: 4)
    for _ in 0..<100 {
      var damaged = whole
      // Digits and quotes break numbers and structure more often than random bytes do.
      for _ in 0...random.below(3) {
        damaged[random.below(whole.count)] = Array("0189-.\",[]{}a".utf8)[random.below(13)]
      }
      let url = try folder.write("tokenizer.json", damaged)
      do {
        let tokenizer = try Tokenizer(url)
        let text = "It's a <|pad|> text, e\u{301} 12 [L]"
        #expect(tokenizer.decode(tokenizer.encode(text)).isEmpty == false)
      } catch {
        #expect(error.description.contains(url.path))
      }
    }
  }
}
