/// The solved examples of a few-shot task, put together once a group.
struct SolvedExamples {
  private let task: TaskDefinition
  private let rows: [TaskRow]
  private var known: [String?: String] = [:]

  init(task: TaskDefinition, rows: [TaskRow]) {
    (self.task, self.rows) = (task, rows)
  }

  /// What stands between description and question.
  ///
  /// - Parameter group: Of the question.
  /// - Returns: The first examples of the group, each with its answer and the separator.
  /// - Throws: ``TaskError``.
  mutating func text(of group: String?) throws(TaskError) -> String {
    guard let rule = task.fewShot, rule.count > 0 else { return "" }
    if let text = known[group] { return text }
    var mine: [TaskRow] = []
    for row in rows where mine.count < rule.count {
      if try task.group(of: row) == group { mine.append(row) }
    }
    guard mine.count == rule.count else {
      throw .tooFewExamples(
        path: rows.first?.path ?? rule.rows, group: group, found: mine.count, needed: rule.count)
    }
    var text = ""
    for row in mine { text += try task.solved(row) + rule.separator }
    known[group] = text
    return text
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
