import Checkpoints
import Evaluation
import Foundation
import Testing

/// What `Golden/protocols_reference.py` computed with transformers and lm-eval.
private struct ProtocolGolden: Decodable {
  struct Result: Decodable {
    let windows: Int
    let tokens: Int
    let perplexity: Double
    let total: Double
    let naiveStandardError: Double
  }
  struct Page: Decodable {
    let page: String
    let text: String
    let words: Int
  }
  let gptq, llamaCpp, strided, rolling: Result
  let wikitext: [Page]

  enum CodingKeys: String, CodingKey {
    case gptq = "gptq-windows"
    case llamaCpp = "llama.cpp-chunks"
    case strided
    case rolling = "lm-eval-rolling"
    case wikitext
  }

  static func load() throws -> ProtocolGolden {
    let url = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "Golden/protocols.json")
    return try JSONDecoder().decode(ProtocolGolden.self, from: Data(contentsOf: url))
  }
}

@Suite("Perplexity protocols")
struct ProtocolTests {
  /// The generator of `protocols_reference.py`.
  private static let tokens: [Int32] = {
    var state = 12345
    return (0..<100).map { _ in
      state = (1_103_515_245 * state + 12345) % (1 << 31)
      return Int32(3 + (state >> 16) % 157)
    }
  }()

  @Test(
    "windows, tokens and losses equal the reference's",
    arguments: [
      PerplexityConvention.gptq, .llamaCpp, .strided, .lmEval,
    ])
  func golden(convention: PerplexityConvention) throws {
    let (model, golden) = (try TinyMixtral(), try ProtocolGolden.load())
    let (context, expected) =
      switch convention {
      case .gptq: (16, golden.gptq)
      case .llamaCpp: (16, golden.llamaCpp)
      case .strided: (24, golden.strided)
      case .lmEval: (24, golden.rolling)
      }
    let configuration = model.checkpoint.configuration
    // The reference begins chunks with the configuration's token; this tokenizer adds none.
    let scoring =
      try convention == .llamaCpp
      ? .llamaCpp(context: context, beginning: configuration.beginningOfTextID.map(Int32.init))
      : convention.scoring(
        context: context, stride: convention == .strided ? 10 : nil, for: configuration,
        model.tokenizer)
    let ours = try Perplexity(
      of: model.checkpoint,
      documents: ("counted", [TokenizedDocument(tokens: Self.tokens, bytes: 321, words: 7)]),
      scoring: scoring, tokenizer: model.tokenizer, precision: .f32)
    #expect(ours.windowLosses.count == expected.windows)
    #expect(ours.scoredTokens == expected.tokens)
    // The project's bound for perplexity in f32.
    #expect(abs(ours.perplexity / expected.perplexity - 1) < 1e-4)
    #expect(abs(ours.totalLoss / expected.total - 1) < 1e-5)
    #expect(abs(try #require(ours.naiveStandardError) / expected.naiveStandardError - 1) < 1e-4)
    if convention == .lmEval {
      #expect(ours.scoredBytes == 321)
      #expect(ours.wordPerplexity == exp(ours.totalLoss / 7))
    } else {
      #expect(ours.wordPerplexity == nil)
    }
  }

  @Test("articles are cut, detokenized and counted as lm-eval does")
  func wikitext() throws {
    let pages = try ProtocolGolden.load().wikitext
    let raw = " \n" + pages.map(\.page).joined()
    #expect(WikiTextPages.pages(raw) == pages.map(\.page))
    for page in pages {
      #expect(WikiTextPages.detokenized(page.page) == page.text)
      #expect(WikiTextPages.words(in: page.page) == page.words)
    }
  }

  @Test("a document that is shorter than a window is scored whole by lm-eval's protocol only")
  func shortDocument() throws {
    let model = try TinyMixtral()
    let document = TokenizedDocument(tokens: [5, 6, 7], bytes: 3, words: 1)
    let configuration = model.checkpoint.configuration
    func perplexity(_ convention: PerplexityConvention) throws -> Perplexity {
      try Perplexity(
        of: model.checkpoint, documents: ("a.txt", [document]),
        scoring: convention.scoring(context: 16, stride: nil, for: configuration, model.tokenizer),
        tokenizer: model.tokenizer, precision: .f32)
    }
    #expect(try perplexity(.lmEval).scoredTokens == 3)
    #expect(try perplexity(.strided).scoredTokens == 2)
    for convention in [PerplexityConvention.gptq, .llamaCpp] {
      #expect(throws: TextCorpusError.tooShort(path: "a.txt", tokens: 3, context: 16)) {
        try perplexity(convention)
      }
    }
  }

  @Test("a stride beyond the context would leave tokens out, and is refused")
  func wideStride() throws {
    #expect(throws: PerplexityProtocolError.stride(17, context: 16)) {
      try PerplexityConvention.strided.check(context: 16, stride: 17)
    }
    for convention in [PerplexityConvention.gptq, .llamaCpp, .lmEval] {
      #expect(throws: PerplexityProtocolError.needlessStride(convention.rawValue)) {
        try convention.check(context: 16, stride: 8)
      }
    }
  }

  @Test("chunks of llama.cpp begin with the token that the tokenizer adds, not with config.json's")
  func beginningOfChunks() throws {
    let model = try TinyMixtral()
    let configuration = model.checkpoint.configuration
    #expect(configuration.beginningOfTextID != nil)
    let without = try PerplexityConvention.llamaCpp.scoring(
      context: 16, stride: nil, for: configuration, model.tokenizer)
    #expect(without == .llamaCpp(context: 16, beginning: nil))
    let url = model.folder.appending(path: "tokenizer.json")
    var file = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
    let token = try #require(model.tokenizer.id(of: "ab"))
    file["post_processor"] = [
      "type": "TemplateProcessing",
      "single": [
        ["SpecialToken": ["id": "ab", "type_id": 0]], ["Sequence": ["id": "A", "type_id": 0]],
      ],
      "special_tokens": ["ab": ["id": "ab", "ids": [Int(token)], "tokens": ["ab"]]],
    ]
    try JSONSerialization.data(withJSONObject: file).write(to: url)
    let with = try PerplexityConvention.llamaCpp.scoring(
      context: 16, stride: nil, for: configuration, Tokenizer(url))
    #expect(with == .llamaCpp(context: 16, beginning: token))
  }

  @Test("a context whose windows score nothing is refused; the next one has no standard error")
  func shortestContext() throws {
    let model = try TinyMixtral()
    #expect(
      throws: PerplexityProtocolError.scoresNothing("llama.cpp", context: 2, shortest: 3)
    ) { try PerplexityConvention.llamaCpp.check(context: 2, stride: nil) }
    let ours = try Perplexity(
      of: model.checkpoint,
      documents: ("a.txt", [TokenizedDocument(tokens: [5, 6, 7], bytes: 3, words: 1)]),
      scoring: .llamaCpp(context: 3, beginning: nil), tokenizer: model.tokenizer, precision: .f32)
    #expect(ours.scoredTokens == 1)
    #expect(ours.naiveStandardError == nil)
  }

  @Test("a perplexity that is no number is an error, not a result")
  func notFinite() throws {
    let model = try TinyMixtral()
    // Of no bytes, bits per byte would be infinite.
    #expect(throws: PerplexityError.self) {
      try Perplexity(
        of: model.checkpoint,
        documents: ("a.txt", [TokenizedDocument(tokens: [5, 6], bytes: 0, words: 1)]),
        scoring: .rolling(context: 2, prefix: 1), tokenizer: model.tokenizer, precision: .f32)
    }
  }
}
