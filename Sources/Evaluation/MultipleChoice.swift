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
      try item.choices.map { try Request(item: item, choice: $0, tokenizer: tokenizer) }
    }
    forwardTokens = requests.reduce(0) { $0 + $1.tokens.count }
    let losses = try TokenLosses(
      of: requests.map(\.tokens), source: source, precision: precision, progress: progress)
    var sums = zip(requests, losses.sequences).map { request, losses in
      -losses.suffix(request.scored).reduce(0, +)
    }[...]
    scores = items.map { item in
      defer { sums = sums.dropFirst(item.choices.count) }
      return Array(sums.prefix(item.choices.count))
    }
    correct = zip(items, scores).map { item, scores in
      scores.firstIndex(of: scores.max() ?? .nan) == item.answer
    }
  }

  private struct Request {
    let tokens: [Int32]
    /// Number of tokens at the end that belong to the choice.
    let scored: Int

    init(item: ChoiceItem, choice: String, tokenizer: Tokenizer) throws {
      let context = item.context.trimmingSuffix(while: \.isWhitespace)
      let whole = item.context + choice
      tokens = tokenizer.encode(whole)
      scored = tokens.count - tokenizer.encode(String(context)).count
      guard scored > 0, tokens.count > scored else {
        throw TaskError.nothingToScore(item: item.id, choice: choice)
      }
    }
  }
}

extension String {
  fileprivate func trimmingSuffix(while isTrimmed: (Character) -> Bool) -> Substring {
    var end = endIndex
    while end > startIndex, isTrimmed(self[index(before: end)]) { end = index(before: end) }
    return self[..<end]
  }
}

/// Why a task cannot be evaluated.
public enum TaskError: Error, Equatable, CustomStringConvertible {
  case badRow(path: String, line: Int, reason: String)
  case noItems(path: String)
  case nothingToScore(item: String, choice: String)

  public var description: String {
    switch self {
    case .badRow(let path, let line, let reason):
      "\(path):\(line): not an item (\(reason)). A row is {\"id\": …, \"context\": …, "
        + "\"choices\": […], \"answer\": index}."
    case .noItems(let path):
      "\(path): holds no items."
    case .nothingToScore(let item, let choice):
      "Item '\(item)': choice '\(choice)' adds no token to the context, or the context is empty."
    }
  }
}
