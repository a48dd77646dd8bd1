import Checkpoints
import MoEModels
import Tensors

/// A task's items scored by log-likelihoods.
public struct TaskScores: ItemScores, Equatable {
  /// The answers to one item's requests.
  public struct Answer: Sendable, Equatable {
    /// Σ log p of every request's continuation, nats.
    public let logLikelihoods: [Double]
    /// Whether greedy decoding would write the continuation.
    public let isGreedy: [Bool]
  }

  public let items: [TaskItem]
  /// As many as items.
  public let answers: [Answer]
  /// Requests that lost their beginning because the model has too few positions.
  public let truncatedRequests: Int
  /// Tokens that went through the model.
  public let forwardTokens: Int

  /// Asks a model.
  ///
  /// What neighbouring requests begin with is computed once: the context of several choices, or the
  /// examples of several questions.
  ///
  /// - Parameters:
  ///   - source: The model.
  ///   - task: Names the task in errors.
  ///   - items: Of ``TaskDefinition/items(in:)``, or some of these.
  ///   - tokenizer: Of the model.
  ///   - precision: Of the forward pass.
  ///   - progress: Fraction done, 0…1.
  /// - Throws: ``TaskError``, and what the model throws.
  public init(
    of source: any WeightSource, task: TaskDefinition, items: [TaskItem], tokenizer: Tokenizer,
    precision: Precision, progress: (Double) -> Void = { _ in }
  ) throws {
    guard task.kind != .generation else { throw TaskError.needsGeneration(task: task.name) }
    let encoder = ContinuationTokenizer(tokenizer, for: source.configuration)
    let requests = try items.flatMap { item in
      try item.requests.map { try encoder.tokens(of: $0, item: item.id) }
    }
    let scores = try ContinuationScores(
      of: requests, sharingPrefixes: true, source: source, precision: precision,
      progress: progress)
    self.items = items
    truncatedRequests = requests.count(where: \.isTruncated)
    forwardTokens = scores.forwardTokens
    var next = 0
    answers = items.map { item in
      let mine = next..<next + item.requests.count
      next = mine.upperBound
      return Answer(
        logLikelihoods: Array(scores.logLikelihoods[mine]), isGreedy: Array(scores.isGreedy[mine]))
    }
  }

  /// The value of every item: 0 or 1 of accuracies, the log-likelihood, in nats, of perplexity.
  ///
  /// - Parameter metric: One that the task's kind has.
  /// - Returns: As many values as items.
  public func values(_ metric: TaskMetric) -> [Double] {
    zip(items, answers).map { $1.value(metric, of: $0) }
  }
}

extension TaskScores.Answer {
  /// Index of the largest score, the first of equals; nil if one is not a number.
  public static func best(_ scores: [Double]) -> Int? {
    guard let largest = scores.max(), !scores.contains(where: \.isNaN) else { return nil }
    return scores.firstIndex(of: largest)
  }

  fileprivate func value(_ metric: TaskMetric, of item: TaskItem) -> Double {
    switch metric {
    case .accuracy:
      guard let answer = item.answer else { return isGreedy.allSatisfy { $0 } ? 1 : 0 }
      return Self.best(logLikelihoods) == answer ? 1 : 0
    case .accuracyByCharacters:
      return value(of: item, perLength: { Double($0.unicodeScalars.count) })
    case .accuracyByBytes: return value(of: item, perLength: { Double($0.utf8.count) })
    case .perplexity: return logLikelihoods.reduce(0, +)
    case .strictMatch, .flexibleMatch, .passAt1:
      preconditionFailure("\(metric.rawValue) needs generated text")
    }
  }

  private func value(of item: TaskItem, perLength length: (String) -> Double) -> Double {
    Self.best(zip(logLikelihoods, item.choices).map { $0 / length($1) }) == item.answer ? 1 : 0
  }
}
