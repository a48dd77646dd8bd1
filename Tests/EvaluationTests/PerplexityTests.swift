import Checkpoints
import Evaluation
import Foundation
import Testing

@Suite("Perplexity of windows")
struct PerplexityTests {
  private func perplexity(
    _ model: TinyMixtral, _ tokens: [Int32], context: Int
  ) throws -> Perplexity {
    try Perplexity(
      of: model.checkpoint, documents: ("a.txt", [document(tokens)]),
      scoring: .gptqWindows(context: context),
      tokenizer: model.tokenizer, precision: .f32)
  }

  private func document(_ tokens: [Int32]) -> TokenizedDocument {
    TokenizedDocument(tokens: tokens, bytes: 0, words: 0)
  }

  @Test("it is exp of the mean of window means, from the logits of transformers")
  func golden() throws {
    let model = try TinyMixtral()
    let ours = try perplexity(model, model.sequences.flatMap(\.self), context: 40)
    let means = model.sequences.indices.map { window in
      let logits = model.logits[(window * 40 * 160)...]
      return (1..<40).reduce(0.0) {
        $0 + model.loss(logits, position: $1 - 1, token: model.sequences[window][$1])
      } / 39
    }
    #expect(ours.windowLosses.count == 3)
    for (ours, expected) in zip(ours.windowLosses, means) {
      // Logits agree within 1e-4 of the largest one, some 4 here; their mean loss is nearer.
      #expect(abs(ours - expected) < 1e-4)
    }
    #expect(abs(ours.perplexity / exp(means.reduce(0, +) / 3) - 1) < 1e-4)
  }

  @Test("bits per byte are bits of all scored tokens over the bytes they stand for")
  func bitsPerByte() throws {
    let model = try TinyMixtral()
    // Ids of "ab", "abc" and " the" have 2, 3 and 4 bytes; the first token of a window is not scored.
    let ab = try #require(model.tokenizer.id(of: "ab"))
    let abc = try #require(model.tokenizer.id(of: "abc"))
    let the = try #require(model.tokenizer.id(of: "Ġthe"))
    let ours = try perplexity(model, [the, ab, 0, abc, the, 1], context: 3)
    #expect(ours.scoredTokens == 4)
    #expect(ours.scoredBytes == 2 + 1 + 4 + 1)
    // The definition, in another order of operations.
    #expect(abs(ours.bitsPerByte - ours.totalLoss / 8 / log(2)) < 1e-12)
    #expect(abs(ours.totalLoss - 2 * ours.windowLosses.reduce(0, +)) < 1e-12)
  }

  @Test("the tail that fills no window is dropped, and windows do not see each other")
  func windows() throws {
    let model = try TinyMixtral()
    let tokens = model.sequences[0]
    let all = try perplexity(model, Array(tokens.prefix(33)), context: 11)
    #expect(try perplexity(model, tokens, context: 11) == all)
    for window in 0..<3 {
      let alone = try perplexity(model, Array(tokens[window * 11..<window * 11 + 11]), context: 11)
      // Other row counts are summed in another order: some roundings of f32 in a loss of about 5.
      #expect(abs(alone.windowLosses[0] - all.windowLosses[window]) < 1e-5)
    }
  }

  @Test("the shortest window, of two tokens, scores one")
  func shortest() throws {
    let model = try TinyMixtral()
    let ours = try perplexity(model, [5, 6], context: 2)
    let expected = model.loss(try model.logits(of: [5, 6]), position: 0, token: 6)
    #expect(ours.scoredTokens == 1)
    // Both have the same logits; the sum of exponentials is f32 here (1e-6).
    #expect(abs(ours.windowLosses[0] - expected) < 1e-5)
  }

  @Test("a text shorter than a window is refused with both numbers")
  func tooShort() throws {
    let model = try TinyMixtral()
    #expect(throws: TextCorpusError.tooShort(path: "a.txt", tokens: 39, context: 40)) {
      try perplexity(model, Array(model.sequences[0].prefix(39)), context: 40)
    }
  }

  @Test("progress rises to 1")
  func progress() throws {
    let model = try TinyMixtral()
    var seen: [Double] = []
    _ = try Perplexity(
      of: model.checkpoint, documents: ("a.txt", [document(model.sequences[0])]),
      scoring: .gptqWindows(context: 20),
      tokenizer: model.tokenizer, precision: .f32
    ) { seen.append($0) }
    #expect(seen == seen.sorted())
    #expect(seen.last == 1)
  }
}
