import Checkpoints
import Foundation
import MoEModels
import Tensors

/// A question with several continuations, one of them right.
public struct ChoiceItem: Sendable, Equatable, Decodable {
  public let id: String
  public let context: String
  public let choices: [String]
  /// Index of the right choice.
  public let answer: Int

  /// Reads items, one JSON object a line.
  ///
  /// - Throws: ``TaskError`` with file and line of the first bad row.
  public static func load(_ url: URL) throws -> [ChoiceItem] {
    let text = try TextCorpus(url, format: .text).text
    var items: [ChoiceItem] = []
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    where !line.allSatisfy(\.isWhitespace) {
      items.append(try ChoiceItem(line: line, at: (url.path, number + 1)))
    }
    guard !items.isEmpty else { throw TaskError.noItems(path: url.path) }
    return items
  }

  private init(line: Substring, at place: (path: String, line: Int)) throws {
    do {
      self = try JSONDecoder().decode(ChoiceItem.self, from: Data(line.utf8))
    } catch {
      throw TaskError.badRow(path: place.path, line: place.line, reason: "\(error)")
    }
    guard choices.count >= 2, choices.indices.contains(answer), choices.allSatisfy({ !$0.isEmpty })
    else {
      throw TaskError.badRow(
        path: place.path, line: place.line,
        reason: "needs at least 2 choices, none empty, and an answer among them")
    }
  }
}

/// Accuracy by log-likelihood: the choice with the largest Σ log p(choice tokens | context) wins.
///
/// Tokens of context + choice are split at the number of tokens of the context alone, white space
/// at the end of the context counting to the choice, as lm-eval does; ties go to the first.
public struct MultipleChoice: Sendable, Equatable {
  public static let protocolName = "loglikelihood-sum"

  /// Σ log p of every choice of every item, nats.
  public let scores: [[Double]]
  /// Whether the best choice is the right one.
  public let correct: [Bool]
  /// Tokens that went through the model.
  public let forwardTokens: Int

  public var accuracy: Double { Double(correct.count { $0 }) / Double(correct.count) }

  /// - Throws: ``TaskError``, and what the model throws.
  public init(
    of source: any WeightSource, items: [ChoiceItem], tokenizer: Tokenizer, precision: Precision,
    progress: (Double) -> Void = { _ in }
  ) throws {
    let requests = try items.flatMap { item in
      try item.choices.map { try Self.request(item, choice: $0, tokenizer: tokenizer) }
    }
    let all = try ContinuationScores(
      of: requests, sharingPrefixes: false, source: source, precision: precision,
      progress: progress)
    forwardTokens = all.forwardTokens
    var rest = all.logLikelihoods[...]
    scores = items.map { item in
      defer { rest = rest.dropFirst(item.choices.count) }
      return Array(rest.prefix(item.choices.count))
    }
    correct = zip(items, scores).map { item, scores in
      scores.firstIndex(of: scores.max() ?? .nan) == item.answer
    }
  }

  /// The tokens of context + choice as they are together, without tokens of the post-processor.
  private static func request(
    _ item: ChoiceItem, choice: String, tokenizer: Tokenizer
  ) throws(TaskError) -> ContinuationTokens {
    let context = item.context.trimmingSuffix(while: \.isWhitespace)
    let tokens = tokenizer.encode(item.context + choice)
    let scored = tokens.count - tokenizer.encode(String(context)).count
    guard scored > 0, tokens.count > scored else {
      throw .nothingToScore(item: item.id, choice: choice)
    }
    return ContinuationTokens(tokens: tokens, scored: scored, isTruncated: false)
  }
}

extension String {
  fileprivate func trimmingSuffix(while isTrimmed: (Character) -> Bool) -> Substring {
    var end = endIndex
    while end > startIndex, isTrimmed(self[index(before: end)]) { end = index(before: end) }
    return self[..<end]
  }
}
