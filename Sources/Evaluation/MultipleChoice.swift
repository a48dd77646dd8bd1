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
    var inputs = DistinctInputs()
    let places = try items.map { item in
      try item.choices.map { choice in
        inputs.add(try Request(item: item, choice: choice, tokenizer: tokenizer))
      }
    }
    forwardTokens = inputs.sequences.reduce(0) { $0 + $1.count }
    let losses = try TokenLosses(
      of: inputs.sequences, queries: inputs.queries, source: source, precision: precision,
      progress: progress)
    scores = places.map { choices in
      choices.map { -losses.sequences[$0.sequence][$0.queries].reduce(0, +) }
    }
    correct = zip(items, scores).map { item, scores in
      scores.firstIndex(of: scores.max() ?? .nan) == item.answer
    }
  }

  /// The tokens of context + choice, of which the last `scored` belong to the choice.
  private struct Request {
    let tokens: [Int32]
    let scored: Int

    init(item: ChoiceItem, choice: String, tokenizer: Tokenizer) throws {
      let context = item.context.trimmingSuffix(while: \.isWhitespace)
      tokens = tokenizer.encode(item.context + choice)
      scored = tokens.count - tokenizer.encode(String(context)).count
      guard scored > 0, tokens.count > scored else {
        throw TaskError.nothingToScore(item: item.id, choice: choice)
      }
    }
  }

  /// What goes through the model: the last token of a choice predicts nothing and stays out, so that
  /// choices of one token share one sequence, their context.
  private struct DistinctInputs {
    private(set) var sequences: [[Int32]] = []
    private(set) var queries: [[TokenQuery]] = []
    private var indices: [[Int32]: Int] = [:]

    /// - Returns: The sequence, and which of its queries score this request.
    mutating func add(_ request: Request) -> (sequence: Int, queries: Range<Int>) {
      let input = Array(request.tokens.dropLast())
      let index = indices[input] ?? sequences.count
      if index == sequences.count {
        indices[input] = index
        sequences.append(input)
        queries.append([])
      }
      let first = queries[index].count
      for position in request.tokens.count - request.scored..<request.tokens.count {
        queries[index].append(
          TokenQuery(position: position - 1, token: request.tokens[position]))
      }
      return (index, first..<queries[index].count)
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
