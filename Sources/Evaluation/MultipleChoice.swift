import Checkpoints
import Foundation
import JSON
import MoEModels
import Tensors

/// A question with several continuations, one of them right.
public struct ChoiceItem: Sendable, Equatable {
  public let id: String
  public let context: String
  public let choices: [String]
  /// Index of the right choice.
  public let answer: Int

  /// Reads items, one JSON object a line.
  ///
  /// - Throws: ``TaskError`` with file and line of the first bad row.
  public static func load(_ url: URL) throws -> [ChoiceItem] {
    var items: [ChoiceItem] = []
    for line in try RowLines(url) {
      do throws(BadItem) { items.append(try ChoiceItem(line.data)) } catch {
        throw TaskError.badRow(path: url.path, line: line.number, reason: error.reason)
      }
    }
    guard !items.isEmpty else { throw TaskError.noItems(path: url.path) }
    return items
  }

  /// What is wrong with a line.
  private struct BadItem: Error {
    var reason: String
  }

  private init(_ line: Data) throws(BadItem) {
    let row: JSONValue
    do throws(JSONSyntaxError) {
      row = try JSONParser.parse(line, admitting: .roundedIntegers)
    } catch { throw BadItem(reason: error.inOneLine) }
    func text(_ key: String) throws(BadItem) -> String {
      guard let text = row[key]?.stringValue else {
        throw BadItem(reason: "\"\(key)\" is missing or no text")
      }
      return text
    }
    id = try text("id")
    context = try text("context")
    let listed = row["choices"]?.arrayValue
    choices = listed?.compactMap(\.stringValue) ?? []
    guard let listed, listed.count == choices.count else {
      throw BadItem(reason: "\"choices\" is missing or no list of texts")
    }
    guard let answer = row["answer"]?.intValue else {
      throw BadItem(reason: "\"answer\" is missing or no whole number")
    }
    self.answer = answer
    guard choices.count >= 2, choices.indices.contains(answer), !choices.contains("") else {
      throw BadItem(reason: "needs at least 2 choices, none empty, and an answer among them")
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
