import Checkpoints
import Evaluation
import Foundation
import MoEModels
import Testing

/// A trained model and WikiText-2, where the shared data folder lies beside the package.
private enum RealData {
  static let folder = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "../shared/data").standardizedFileURL
  static let model = folder.appending(path: "models/english-moe-20m")
  static let wikitext = folder.appending(path: "corpora/wikitext2_raw_test.gz")

  static var isThere: Bool {
    [model, wikitext].allSatisfy { FileManager.default.fileExists(atPath: $0.path) }
  }
}

/// What `Golden/perplexity_reference.py` measured with `transformers`.
private struct Golden: Decodable {
  struct Text: Decodable { let tokens: Int }
  struct Result: Decodable {
    struct Settings: Decodable { let context: Int }
    let perplexity: Double
    let bitsPerByte: Double
    let windows: Int
    let scoredTokens: Int
    let scoredBytes: Int
    let settings: Settings
  }
  let text: Text
  let results: [Result]

  init() throws {
    let url = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "Golden/english-moe-20m.json")
    self = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: url))
  }
}

@Suite(
  "A trained model on WikiText-2 (a minute)",
  .enabled(if: RealData.isThere, "put shared/data beside the package"))
struct RealModelPerplexityTests {
  @Test("f32 perplexity and bits per byte equal those of transformers within 1e-4")
  func wholeTest() throws {
    let golden = try Golden()
    let folder = try ModelFolder(RealData.model)
    let tokenizer = try folder.tokenizer()
    let text = try TextCorpus(RealData.wikitext, format: .wikitext).text
    let tokens = tokenizer.encode(text)
    #expect(tokens.count == golden.text.tokens)
    for expected in golden.results {
      let document = TokenizedDocument(tokens: tokens, bytes: text.utf8.count, words: 0)
      let ours = try Perplexity(
        of: folder.weights, documents: (RealData.wikitext.path, [document]),
        scoring: .gptqWindows(context: expected.settings.context), tokenizer: tokenizer,
        precision: .f32)
      #expect(ours.windowLosses.count == expected.windows)
      #expect(ours.scoredTokens == expected.scoredTokens)
      #expect(ours.scoredBytes == expected.scoredBytes)
      // Sums in another order, averaged over 416,465 tokens; a token at the border between two
      // experts may take the other one.
      let differences = [
        ours.perplexity / expected.perplexity - 1, ours.bitsPerByte / expected.bitsPerByte - 1,
      ]
      print("perplexity \(ours.perplexity), bits per byte \(ours.bitsPerByte)")
      #expect(differences.allSatisfy { abs($0) < 1e-4 }, "\(differences)")
    }
  }
}
