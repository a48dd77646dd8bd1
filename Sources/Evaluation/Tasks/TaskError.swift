/// Why a task cannot be evaluated.
public enum TaskError: Error, Equatable, CustomStringConvertible {
  case badRow(path: String, line: Int, reason: String)
  case noItems(path: String)
  case nothingToScore(item: String, choice: String)
  /// The definition at `path` is wrong at a JSON pointer.
  case unusableDefinition(path: String, pointer: String, reason: String)
  /// A row does not have what its task's definition asks for.
  case unusableRow(path: String, line: Int, reason: String)
  case missingRows(path: String, origin: String)
  case tooFewExamples(path: String, group: String?, found: Int, needed: Int)
  case noExamples(task: String)
  case tooLong(item: String, choice: String, tokens: Int, maximum: Int)
  case noPrefixToken(item: String)
  case needsGeneration(task: String)
  case needsLogLikelihoods(task: String)
  case needsSandbox(task: String)
  case noSolution(task: String, item: String)
  case unknownTask(String, folder: String, nearest: String?, known: [String])

  public var description: String {
    switch self {
    case .badRow(let path, let line, let reason):
      return "\(path):\(line): not an item (\(reason)). A row is {\"id\": …, \"context\": …, "
        + "\"choices\": […], \"answer\": index}."
    case .noItems(let path):
      return "\(path): holds no items."
    case .nothingToScore(let item, let choice):
      return "Item '\(item)': choice '\(choice)' adds no token to the context, or the context is "
        + "empty."
    case .unusableDefinition(let path, let pointer, let reason):
      return "\(path), at \(pointer.isEmpty ? "/" : pointer): \(reason)."
    case .unusableRow(let path, let line, let reason):
      return "\(path):\(line): the row does not suit its task: \(reason)."
    case .missingRows(let path, let origin):
      return "There is no \(path). It holds \(origin), one JSON object a line, plain or gzip; make "
        + "data fetches most benchmarks into experiments/data; or put it there, or name the folder "
        + "that has it."
    case .tooFewExamples(let path, let group, let found, let needed):
      let which = group.map { " of '\($0)'" } ?? ""
      return "\(path): \(needed) examples\(which) are asked for, the file has \(found)."
    case .noExamples(let task):
      return "Task '\(task)' names no file of examples (fewShot); ask for 0."
    case .tooLong(let item, let choice, let tokens, let maximum):
      return "Item '\(item)': choice '\(choice.prefix(60))' alone has \(tokens) tokens, more than "
        + "the model's \(maximum) positions."
    case .noPrefixToken(let item):
      return "Item '\(item)' has an empty context, and config.json has neither bos_token_id nor "
        + "eos_token_id to stand for it."
    case .needsGeneration(let task):
      return "Task '\(task)' is scored by what the model writes, not by log-likelihoods."
    case .needsLogLikelihoods(let task):
      return "Task '\(task)' is scored by log-likelihoods; the model writes nothing."
    case .needsSandbox(let task):
      return "Task '\(task)' runs programs that a model wrote, and only in a sandbox."
    case .noSolution(let task, let item):
      return
        "Task '\(task)', item '\(item)': there is no solution to try; name the rows' field under "
        + "\"solution\", such as \"{{canonical_solution}}\"."
    case .unknownTask(let name, let folder, let nearest, let known):
      let hint = nearest.map { " Did you mean '\($0)'?" } ?? ""
      return "There is no task '\(name)' in \(folder).\(hint) Known are "
        + "\(known.joined(separator: ", "))."
    }
  }
}
