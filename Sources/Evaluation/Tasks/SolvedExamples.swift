import Statistics

/// The solved examples before the questions of a few-shot task.
struct SolvedExamples {
  private let task: TaskDefinition
  private let rows: [TaskRow]
  private var groups: [String?: Group] = [:]

  /// The examples of one group.
  private struct Group {
    /// Each with its answer and the separator.
    var texts: [String]
    /// nil where all questions have the same examples.
    var random: PythonRandom?
  }

  init(task: TaskDefinition, rows: [TaskRow]) {
    (self.task, self.rows) = (task, rows)
  }

  /// What stands between description and the next question.
  ///
  /// Examples are drawn question by question, so that they depend on the order of the questions.
  ///
  /// - Parameter group: Of the question.
  /// - Returns: Examples of the group, the first ones or such as are drawn, each with its answer and
  ///   the separator.
  /// - Throws: ``TaskError``.
  /// - SeeAlso: lm-eval 0.4.13, `ContextSampler.sample`, `FirstNSampler.sample`.
  mutating func text(of group: String?) throws(TaskError) -> String {
    guard let rule = task.fewShot, rule.count > 0 else { return "" }
    let known = groups[group]
    let texts: [String]
    if let known { texts = known.texts } else { texts = try solved(group, rule) }
    var random = known == nil ? rule.seed.map { PythonRandom(seed: $0) } : known?.random
    let places = random?.sample(rule.count, of: texts.count) ?? Array(0..<rule.count)
    groups[group] = Group(texts: texts, random: random)
    return places.map { texts[$0] }.joined()
  }

  private func solved(
    _ group: String?, _ rule: TaskDefinition.FewShotRule
  ) throws(TaskError) -> [String] {
    var texts: [String] = []
    for row in rows where rule.seed != nil || texts.count < rule.count {
      if try task.group(of: row) == group { texts.append(try task.solved(row) + rule.separator) }
    }
    guard texts.count >= rule.count else {
      throw .tooFewExamples(
        path: rows.first?.path ?? rule.rows, group: group, found: texts.count, needed: rule.count)
    }
    return texts
  }
}

extension TaskDefinition {
  /// Prompt and right answer.
  fileprivate func solved(_ row: TaskRow) throws(TaskError) -> String {
    let prompt = try self.prompt?.text(for: row) ?? ""
    guard let answer else { return prompt + delimiter + (try target?.text(for: row) ?? "") }
    let choices = try self.choices(of: row)
    return prompt + delimiter + choices[try answer.index(in: row, choices: choices.count)]
  }
}
