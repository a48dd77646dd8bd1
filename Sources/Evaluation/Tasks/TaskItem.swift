import Foundation

/// One question of a task, as it is put to the model.
public struct TaskItem: Sendable, Equatable {
  /// What log p(continuation | context) is asked of.
  public struct Request: Sendable, Equatable {
    public let context: String
    /// With the delimiter before it; empty where the model is to write it.
    public let continuation: String
  }

  /// As the definition says, else the index of the row; no other item has it.
  public let id: String
  /// Such as the subject.
  public let group: String?
  public let requests: [Request]
  /// Index of the right request; nil of a task without choices.
  public let answer: Int?
  /// The choices by themselves, whose lengths normalize scores; empty of a task without.
  public let choices: [String]
  /// What the model should write; nil if the task does not say.
  public let target: String?
  /// A right text, of people's making; nil if the task does not say.
  public internal(set) var solution: String? = nil
}

extension TaskItem {
  /// Of what is asked, and of the right answer.
  public var hash: ItemHash {
    ItemHash(
      of: requests.flatMap { [$0.context, $0.continuation] }
        + [answer.map { String($0) } ?? target ?? ""])
  }
}

extension TaskDefinition {
  /// The items of this task, in the order of the rows.
  ///
  /// - Parameters:
  ///   - folder: Of rows, see ``Source/rows``, or their file.
  ///   - limit: Items from the start, of each group where there are groups; nil: all.
  /// - Returns: At least one item.
  /// - Throws: ``TaskError`` for files that are missing or rows that do not suit, with the line.
  public func items(in folder: URL, limit: Int? = nil) throws -> [TaskItem] {
    let rows = try load(
      rowsURL(in: folder), origin: source.origin, limit: hasGroups ? nil : limit)
    var examples: [TaskRow] = []
    if let place = examplesURL(in: folder) {
      examples = try load(place, origin: "the solved examples of \(source.origin)")
    }
    return try items(of: rows, examples: examples, limit: limit)
  }

  /// The names of the groups that the items are of.
  ///
  /// - Parameter folder: As of ``items(in:)``.
  /// - Returns: None for a task without groups.
  /// - Throws: As ``items(in:)``.
  public func groupNames(in folder: URL) throws -> Set<String> {
    guard hasGroups else { return [] }
    return Set(
      try load(rowsURL(in: folder), origin: source.origin).compactMap { try group(of: $0) })
  }

  private func load(_ url: URL, origin: String, limit: Int? = nil) throws -> [TaskRow] {
    guard FileManager.default.fileExists(atPath: url.path) else {
      throw TaskError.missingRows(path: url.path, origin: origin)
    }
    return try TaskRow.load(url, limit: limit)
  }

  /// The items of rows.
  ///
  /// - Parameters:
  ///   - rows: Questions.
  ///   - examples: Of which some of an item's group stand before it.
  ///   - limit: As of ``items(in:limit:)``.
  /// - Returns: An item a row.
  /// - Throws: ``TaskError``.
  public func items(
    of rows: [TaskRow], examples: [TaskRow], limit: Int? = nil
  ) throws(TaskError) -> [TaskItem] {
    var solved = SolvedExamples(task: self, rows: examples)
    var items: [TaskItem] = []
    items.reserveCapacity(rows.count)
    var lines: [String: Int] = [:]
    var counts: [String?: Int] = [:]
    for (index, row) in rows.enumerated() {
      let group = try self.group(of: row)
      guard counts[group, default: 0] < limit ?? .max else { continue }
      counts[group, default: 0] += 1
      let heading = try description?.text(for: row) ?? ""
      let before = heading + (try solved.text(of: group))
      let item = try makeItem(row, index: index, group: group, before: before)
      // Items are paired by their names when runs are compared.
      if let line = lines.updateValue(row.line, forKey: item.id) {
        throw row.unusable("the item \"\(item.id)\" stands in line \(line) too")
      }
      items.append(item)
    }
    return items
  }

  func group(of row: TaskRow) throws(TaskError) -> String? {
    guard let group else { return nil }
    return try row.text(at: group)
  }

  private func makeItem(
    _ row: TaskRow, index: Int, group: String?, before: String
  ) throws(TaskError) -> TaskItem {
    let choices = try self.choices(of: row)
    let target = try self.target?.text(for: row)
    if target == "", kind != .generation { throw row.unusable("its target is empty") }
    return TaskItem(
      id: try item?.text(for: row) ?? String(index), group: group,
      requests: try requests(row, choices: choices, target: target, before: before),
      answer: try answer?.index(in: row, choices: choices.count), choices: choices, target: target,
      solution: try solution?.text(for: row))
  }

  private func requests(
    _ row: TaskRow, choices: [String], target: String?, before: String
  ) throws(TaskError) -> [TaskItem.Request] {
    let context = before + (try prompt?.text(for: row) ?? "")
    let following = delimiter + (target ?? "")
    return switch kind {
    case .multipleChoice:
      choices.map { TaskItem.Request(context: context, continuation: delimiter + $0) }
    case .partialContext:
      choices.map { TaskItem.Request(context: before + $0, continuation: following) }
    case .continuation: [TaskItem.Request(context: context, continuation: following)]
    case .generation: [TaskItem.Request(context: context, continuation: "")]
    }
  }

  func choices(of row: TaskRow) throws(TaskError) -> [String] {
    var texts: [String] = []
    switch choices {
    case .templates(let templates):
      for template in templates { texts.append(try template.text(for: row)) }
    case .field(let path, let transformations):
      for text in try row.texts(at: path) {
        texts.append(try row.applying(transformations, to: text))
      }
    case nil: return []
    }
    guard texts.count >= 2, !texts.contains("") else {
      throw row.unusable("it needs at least 2 choices, none empty")
    }
    return texts
  }
}

extension TaskDefinition.RightChoice {
  /// Index of the right one of so many choices.
  func index(in row: TaskRow, choices: Int) throws(TaskError) -> Int {
    let index = try labels == nil ? counted(in: row) - base : labelled(in: row)
    guard (0..<choices).contains(index) else {
      throw row.unusable("\"\(field)\" names none of its \(choices) choices")
    }
    return index
  }

  private func labelled(in row: TaskRow) throws(TaskError) -> Int {
    guard let labels else { return -1 }
    let label = try row.applying(transformations, to: try row.text(at: field))
    return try row.texts(at: labels).firstIndex(of: label) ?? -1
  }

  /// A whole number, its digits as a text, or false and true for 0 and 1.
  private func counted(in row: TaskRow) throws(TaskError) -> Int {
    let value = try row.value(at: field)
    if let isTrue = value.boolValue { return isTrue ? 1 : 0 }
    let text = try row.applying(transformations, to: try row.text(at: field))
    guard let index = Int(text) else {
      throw row.unusable("\"\(field)\" is \"\(text)\", not an index")
    }
    return index
  }
}
