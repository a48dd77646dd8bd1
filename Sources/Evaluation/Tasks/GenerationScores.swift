import JSON

/// Writes what follows prompts, one text each; the number of the sample is part of a sampler's seed.
///
/// Texts may reach beyond a stop. Tokens are those that went through the model.
public typealias PromptWriter = (
  _ prompts: [String], _ rule: TaskDefinition.GenerationRule, _ sample: Int
) throws -> (texts: [String], forwardTokens: Int)

/// A task's items scored by what a model wrote.
public struct GenerationScores: ItemScores, Equatable {
  /// What was written for one item.
  public struct Answer: Sendable, Equatable {
    /// A text a sample.
    public let texts: [String]
    /// How the programs ended; none where nothing is executed.
    public let verdicts: [ProgramVerdict]
  }

  public let items: [TaskItem]
  /// As many as items.
  public let answers: [Answer]
  public let forwardTokens: Int

  /// Scores texts; programs are run if the task asks whether they pass.
  ///
  /// - Parameters:
  ///   - texts: Of every item, a text a sample; what follows a stop is cut off.
  ///   - task: A task of the kind ``TaskDefinition/Kind/generation``.
  ///   - items: Of the task.
  ///   - forwardTokens: That writing them took.
  ///   - sandbox: For programs.
  ///   - progress: Fraction done, 0…1.
  /// - Throws: ``TaskError/needsSandbox(task:)``, ``SandboxError``.
  public init(
    of texts: [[String]], task: TaskDefinition, items: [TaskItem], forwardTokens: Int,
    sandbox: Sandbox?, progress: (Double) -> Void = { _ in }
  ) throws {
    precondition(texts.count == items.count, "\(texts.count) answers, \(items.count) items")
    let texts = texts.map { $0.map { task.generation?.cut($0) ?? $0 } }
    var verdicts: [ProgramVerdict] = []
    if task.runsPrograms {
      guard let sandbox else { throw TaskError.needsSandbox(task: task.name) }
      let programs = zip(items, texts).flatMap { item, texts in texts.map(item.program) }
      verdicts = try sandbox.verdicts(on: programs, progress: progress)
    }
    self.items = items
    self.forwardTokens = forwardTokens
    var rest = verdicts[...]
    answers = texts.map { texts in
      defer { rest = rest.dropFirst(texts.count) }
      return Answer(texts: texts, verdicts: Array(rest.prefix(texts.count)))
    }
  }

  /// Writes texts, then scores them; without a sandbox for programs nothing is written.
  ///
  /// - Parameters:
  ///   - samples: Texts for each item.
  ///   - task: A task of the kind ``TaskDefinition/Kind/generation``.
  ///   - items: Of the task.
  ///   - sandbox: For programs.
  ///   - generate: Writes one text for each prompt.
  ///   - progress: Fraction done, 0…1.
  /// - Throws: What `generate` and scoring throw.
  public init(
    writing samples: Int, task: TaskDefinition, items: [TaskItem], sandbox: Sandbox?,
    generate: PromptWriter, progress: (Double) -> Void = { _ in }
  ) throws {
    guard let rule = task.generation, samples > 0 else {
      throw TaskError.needsLogLikelihoods(task: task.name)
    }
    if task.runsPrograms, sandbox == nil { throw TaskError.needsSandbox(task: task.name) }
    let prompts = items.map { $0.requests.first?.context ?? "" }
    var texts = [[String]](repeating: [], count: items.count)
    var forwardTokens = 0
    for sample in 0..<samples {
      let written = try generate(prompts, rule, sample)
      precondition(
        written.texts.count == prompts.count,
        "\(written.texts.count) texts, \(prompts.count) prompts")
      for (item, text) in written.texts.enumerated() { texts[item].append(text) }
      forwardTokens += written.forwardTokens
      progress(0.9 * Double(sample + 1) / Double(samples))
    }
    try self.init(
      of: texts, task: task, items: items, forwardTokens: forwardTokens, sandbox: sandbox,
      progress: { progress(0.9 + 0.1 * $0) })
  }

  /// Scores the solutions that the rows bring in the place of a model's texts: all should pass.
  ///
  /// - Parameters:
  ///   - task: Has solutions.
  ///   - items: Of the task.
  ///   - sandbox: For programs.
  ///   - progress: Fraction done, 0…1.
  /// - Throws: ``TaskError/noSolution(task:item:)``, and what ``init(of:task:items:forwardTokens:sandbox:progress:)``
  ///   throws.
  public init(
    ofSolutions task: TaskDefinition, items: [TaskItem], sandbox: Sandbox?,
    progress: (Double) -> Void = { _ in }
  ) throws {
    let solutions = try items.map { item in
      guard let solution = item.solution else {
        throw TaskError.noSolution(task: task.name, item: item.id)
      }
      return [solution]
    }
    try self.init(
      of: solutions, task: task, items: items, forwardTokens: 0, sandbox: sandbox,
      progress: progress)
  }

  /// 0 or 1, of several samples the first's; of ``TaskMetric/passAt1`` the share that passes.
  public func values(_ metric: TaskMetric) -> [Double] {
    switch metric {
    case .strictMatch: matches(AnswerMatch.strict)
    case .flexibleMatch: matches(AnswerMatch.flexible)
    case .passAt1: chances(passingOf: 1)
    case .accuracy, .accuracyByCharacters, .accuracyByBytes, .perplexity:
      preconditionFailure("\(metric.rawValue) needs log-likelihoods")
    }
  }

  private func matches(_ extract: (String) -> String) -> [Double] {
    zip(items, answers).map { item, answer in
      guard let text = answer.texts.first, let target = item.target else { return 0 }
      return AnswerMatch.isExact(extract(text), target: target) ? 1 : 0
    }
  }

  /// The chance, in every item, that one of k samples passes: pass@k of the item.
  ///
  /// - Parameter k: From 1 to the number of samples.
  /// - Returns: As many values as items.
  public func chances(passingOf k: Int) -> [Double] {
    answers.map { answer in
      PassAtK.unbiased(
        k, samples: answer.verdicts.count, passed: answer.verdicts.count(where: \.isPassed))
    }
  }

  /// Every sample as JSON, one object a line: task, item, sample, text, and of programs the verdict.
  ///
  /// - Parameter task: The task's name.
  /// - Returns: Lines without ends.
  public func lines(task: String) -> [String] {
    zip(items, answers).flatMap { item, answer in
      answer.texts.enumerated().map { sample, text in
        var object = JSONObject([
          ("task", JSONValue(task)), ("item", JSONValue(item.id)), ("sample", JSONValue(sample)),
          ("text", JSONValue(text)),
        ])
        if answer.verdicts.indices.contains(sample) {
          object["passed"] = .bool(answer.verdicts[sample].isPassed)
          object["reason"] = answer.verdicts[sample].reason.map { JSONValue($0) } ?? .null
        }
        return CanonicalJSON.text(.object(object))
      }
    }
  }
}

extension TaskItem {
  /// What is executed: the prompt, what the model wrote behind it, and the test.
  ///
  /// - Parameter text: The model's.
  /// - Returns: Python.
  public func program(_ text: String) -> String {
    (requests.first?.context ?? "") + text + "\n" + (target ?? "")
  }
}

extension TaskDefinition {
  /// Whether what the model writes is executed.
  public var runsPrograms: Bool { metrics.contains(.passAt1) }
}

extension TaskDefinition.GenerationRule {
  /// The text before the first stop.
  ///
  /// - Parameter text: The model's.
  /// - Returns: All of it, if there is no stop.
  public func cut(_ text: String) -> String {
    stops.reduce(text) { text, stop in
      guard !stop.isEmpty, let place = text.utf8.firstRange(of: stop.utf8) else { return text }
      return String(text[..<place.lowerBound])
    }
  }
}
