import Checkpoints
import Foundation
import MoEModels
import Tensors
import Testing

@testable import Evaluation

/// What `Golden/greedy.py` got from `transformers`.
private struct GreedyCase: Decodable {
  let prompt: [Int32]
  let continuation: [Int32]

  static func cases(of model: String) throws -> [GreedyCase] {
    let url = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "Golden/greedy.json")
    let all = try JSONDecoder().decode([String: [GreedyCase]].self, from: Data(contentsOf: url))
    return try #require(all[model])
  }

  /// Continues all prompts side by side, and compares.
  static func check(_ model: String, in folder: URL) throws {
    let model = (name: model, folder: try ModelFolder(folder))
    let decoder = try Decoder(source: model.folder.weights, precision: .f32)
    let generator = TextGenerator(decoder, tokenizer: try model.folder.tokenizer())
    let golden = try cases(of: model.name)
    for batch in [1, 3] {
      let (found, tokens) = try generator.continuations(
        of: golden.map(\.prompt), options: GenerationOptions(maximumTokens: 24, batch: batch))
      for (continuation, expected) in zip(found, golden) {
        let ends = decoder.configuration.endOfTextIDs.map { Int32($0) }
        #expect(
          continuation.tokens == expected.continuation.filter { !ends.contains($0) },
          "\(expected.prompt), batch \(batch)")
        #expect(
          continuation.ending
            == (ends.contains(expected.continuation.last ?? -1) ? .endOfText : .length))
      }
      #expect(tokens >= golden.reduce(0) { $0 + $1.prompt.count })
    }
  }
}

@Suite("Generation")
struct GenerationTests {
  private static let reference = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "experiments/reference-model")

  private func generator() throws -> (TextGenerator, Tokenizer) {
    let folder = try ModelFolder(Self.reference)
    let tokenizer = try folder.tokenizer()
    let decoder = try Decoder(source: folder.weights, precision: .f32, room: 96)
    return (TextGenerator(decoder, tokenizer: tokenizer), tokenizer)
  }

  @Test("greedy continues exactly as transformers does, whatever runs beside it")
  func greedy() throws { try GreedyCase.check("reference-model", in: Self.reference) }

  @Test("a text ends before the first stop; its tokens are those of the text without stops")
  func stops() throws {
    let (generator, tokenizer) = try generator()
    let prompts = ["once upon a time there was", "the cat"].map { tokenizer.encode($0) }
    var options = GenerationOptions(maximumTokens: 24)
    let (free, _) = try generator.continuations(of: prompts, options: options)
    let text = try #require(free.first?.text)
    let stop = String(text.dropFirst(6).prefix(3))
    options.stops = ["no such text", stop]
    let (stopped, _) = try generator.continuations(of: prompts, options: options)
    let place = try #require(text.range(of: stop))
    #expect(stopped[0].text == String(text[..<place.lowerBound]))
    #expect(stopped[0].ending == .stop(stop))
    #expect(free[0].tokens.starts(with: stopped[0].tokens))
    #expect(stopped[0].tokens.count < free[0].tokens.count)
  }

  @Test("draws repeat by seed, do not depend on the batch, and keep within top-k and top-p")
  func sampling() throws {
    let (generator, tokenizer) = try generator()
    let prompts = (0..<4).map { _ in tokenizer.encode("the") }
    func texts(_ change: (inout GenerationOptions) -> Void) throws -> [[Int32]] {
      var options = GenerationOptions(maximumTokens: 12, temperature: 1.5, seed: 1)
      change(&options)
      return try generator.continuations(of: prompts, options: options).continuations.map(\.tokens)
    }
    let drawn = try texts { _ in }
    #expect(try texts { _ in } == drawn)
    #expect(try texts { $0.batch = 2 } == drawn)
    #expect(try texts { $0.seed = 2 } != drawn)
    #expect(Set(drawn).count > 1, "prompts that are alike draw apart")
    let greedy = try texts { $0.temperature = 0 }
    #expect(try texts { $0.topK = 1 } == greedy && texts { $0.topP = 1e-9 } == greedy)
  }

  @Test("frequencies of draws are the model's probabilities within four standard errors")
  func frequencies() {
    let logits: [Float] = [1, 3, 2, -1]
    var counts = [Int](repeating: 0, count: 4)
    var sampler = TokenSampler(
      GenerationOptions(maximumTokens: 1, temperature: 0.7, topK: 3, seed: 9), sequence: 0)
    let draws = 20_000
    for _ in 0..<draws {
      counts[Int(logits.withUnsafeBufferPointer { sampler.next($0.baseAddress!, count: 4) })] += 1
    }
    let weights = logits.map { exp(Double($0) / 0.7) }
    let total = weights[0...2].reduce(0, +)
    #expect(counts[3] == 0)
    for token in 0..<3 {
      let p = weights[token] / total
      let error = (p * (1 - p) / Double(draws)).squareRoot()
      #expect(abs(Double(counts[token]) / Double(draws) - p) < 4 * error)
    }
  }

  @Test("prompts too long lose their start; what no continuation can come of is refused")
  func limits() throws {
    let (generator, _) = try generator()
    let long = (0..<100).map { Int32($0 % 50 + 5) }
    let options = GenerationOptions(maximumTokens: 10)
    let (found, _) = try generator.continuations(
      of: [long, Array(long.suffix(86))], options: options)
    #expect(found[0].droppedTokens == 14 && found[1].droppedTokens == 0)
    #expect(found[0].tokens == found[1].tokens)
    #expect(throws: GenerationError.emptyPrompt(index: 1)) {
      try generator.continuations(of: [[1], []], options: options)
    }
    #expect(throws: GenerationError.noRoom(maximumTokens: 96, positions: 96)) {
      try generator.continuations(of: [[1]], options: GenerationOptions(maximumTokens: 96))
    }
    for bad in [
      GenerationOptions(maximumTokens: 0), .init(maximumTokens: 1, temperature: -1),
      .init(maximumTokens: 1, topK: 0), .init(maximumTokens: 1, topP: 0),
      .init(maximumTokens: 1, stops: [""]), .init(maximumTokens: 1, batch: 0),
    ] {
      #expect(throws: GenerationError.self) {
        try generator.continuations(of: [[1]], options: bad)
      }
    }
  }
}

private let realModel = URL(filePath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  .appending(path: "../shared/data/models/english-moe-20m").standardizedFileURL

@Suite(
  "Generation of a trained model of real size",
  .enabled(
    if: FileManager.default.fileExists(atPath: realModel.path), "put shared/data beside the package"
  ))
struct RealModelGenerationTests {
  @Test("greedy continues exactly as transformers does")
  func greedy() throws { try GreedyCase.check("english-moe-20m", in: realModel) }
}
