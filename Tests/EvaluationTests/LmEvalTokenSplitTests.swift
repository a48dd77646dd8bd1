import Checkpoints
import Foundation
import Testing

@testable import Evaluation

/// What `Golden/lm_eval_token_splits.py` got of lm-eval.
private struct LmEvalTokenSplits: Decodable {
  let limit: Int
  /// What stands for an empty context, by tokenizer.
  let prefixes: [String: String]
  /// By tokenizer and benchmark.
  let crc32: [String: [String: UInt32]]

  init() throws {
    let url = LmEvalGolden.folder.appending(path: "lm-eval.token-splits.json")
    self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: url))
  }
}

@Suite(
  "Requests as tokens of real models", .enabled(if: BenchmarkData.folder != nil, BenchmarkData.hint)
)
struct LmEvalTokenSplitTests {
  @Test(
    "context and continuation are split where lm-eval splits them",
    arguments: ["gpt2", "llama2", "qwen2.5", "deepseek-v2"])
  func splits(name: String) throws {
    let folder = try #require(BenchmarkData.folder)
    let golden = try LmEvalTokenSplits()
    let prefix = try #require(golden.prefixes[name])
    let file = folder.appending(path: "tokenizers/\(name).tokenizer.json.gz")
    let encoder = try encoder(file, prefix: prefix)
    for (benchmark, expected) in try #require(golden.crc32[name]) {
      let task = try TaskDefinition.named(benchmark, in: shippedTasks)
      let items = try task.items(in: folder.appending(path: "benchmarks"))
      let requests = requests(items.prefix(golden.limit).flatMap(\.requests), prefix: prefix)
      #expect(try checksum(requests, encoder) == expected, "\(benchmark)")
    }
  }

  /// Also with white space behind contexts, and with the beginning of a text written out.
  private func requests(_ plain: [TaskItem.Request], prefix: String) -> [TaskItem.Request] {
    let spaced = plain.prefix(100).map { request in
      TaskItem.Request(
        context: request.context + " \n",
        continuation: TextTransformation.strip.apply(request.continuation) ?? "")
    }
    let begun = plain.prefix(10).map { request in
      TaskItem.Request(context: prefix + request.context, continuation: request.continuation)
    }
    return plain + spaced + begun
  }

  /// Of one line a request, the ids of both sides.
  private func checksum(
    _ requests: [TaskItem.Request], _ encoder: ContinuationTokenizer
  ) throws -> UInt32 {
    var sum = Checksum()
    for request in requests {
      let split = try encoder.tokens(of: request, item: "")
      let sides = [split.tokens.dropLast(split.scored), split.tokens.suffix(split.scored)]
      let line = sides.map { $0.map { String($0) }.joined(separator: ",") }
      sum.add((line.joined(separator: "|") + "\n").utf8)
    }
    return sum.value
  }

  private func encoder(_ file: URL, prefix: String) throws -> ContinuationTokenizer {
    let plain = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).json")
    defer { try? FileManager.default.removeItem(at: plain) }
    try Data(TextCorpus(file, format: .text).text.utf8).write(to: plain)
    let tokenizer = try Tokenizer(plain)
    return ContinuationTokenizer(
      tokenizer, prefix: try #require(tokenizer.id(of: prefix)), maximumLength: 1 << 20)
  }
}

@Suite("Requests as tokens")
struct ContinuationTokenizerTests {
  private let model: TinyMixtral

  init() throws { model = try TinyMixtral() }

  private func split(
    _ context: String, _ continuation: String, prefix: Int32? = 7, maximumLength: Int = 100
  ) throws -> ContinuationTokens {
    let encoder = ContinuationTokenizer(
      model.tokenizer, prefix: prefix, maximumLength: maximumLength)
    return try encoder.tokens(
      of: TaskItem.Request(context: context, continuation: continuation), item: "x")
  }

  @Test("an empty context is the token that begins texts, unless the continuation begins so")
  func emptyContext() throws {
    let a = model.tokenizer.encode("a")
    #expect(
      try split("", "a") == ContinuationTokens(tokens: [7] + a, scored: 1, isTruncated: false))
    #expect(
      try split("", "aa", prefix: a[0])
        == ContinuationTokens(tokens: a + a, scored: 1, isTruncated: false))
    #expect(throws: TaskError.noPrefixToken(item: "x")) { try split("", "a", prefix: nil) }
  }

  @Test("the continuation's tokens follow the context's own, also where a token crosses the border")
  func crossing() throws {
    // "ab" + "c" together are the one token "abc", which leaves nothing to score.
    #expect(throws: TaskError.nothingToScore(item: "x", choice: "c")) { try split("ab", "c") }
    let crossed = try split("ab", "cx")
    let x = model.tokenizer.encode("x")
    #expect(crossed.tokens == model.tokenizer.encode("ab") + x && crossed.scored == 1)
  }

  @Test("the beginning is cut so that all but the last token fit the positions")
  func truncation() throws {
    let fits = try split("xyz", "!", maximumLength: 3)
    #expect(fits.tokens.count == 4 && !fits.isTruncated)
    let cut = try split("wxyz", "!", maximumLength: 3)
    #expect(cut == ContinuationTokens(tokens: fits.tokens, scored: 1, isTruncated: true))
  }
}
