/// Why results of lm-eval cannot be read or written.
public enum LmEvalError: Error, Equatable, CustomStringConvertible {
  case noResults(path: String)
  case unreadable(path: String, reason: String)
  case badSample(path: String, line: Int, reason: String)
  /// The samples are not those of the results.
  case otherSamples(path: String, task: String, found: String, expected: String)
  /// The number of the results is not the mean of the samples.
  case otherValues(path: String, task: String, metric: String, samples: Double, result: Double)
  case unknownAxis(String, experiment: String, known: [String])
  case exists(path: String)
  case noTasks(run: String)
  case otherRows(run: String, task: String, path: String)
  case external(run: String)
  case noItems(run: String, reason: String)
  case busy(path: String)

  public var description: String {
    switch self {
    case .noResults(let path):
      "\(path): holds no results_*.json; name lm-eval's --output_path, or a file of results."
    case .unreadable(let path, let reason):
      "\(path): not results of lm-eval: \(Self.unended(reason))."
    case .badSample(let path, let line, let reason):
      "\(path):\(line): not a sample of lm-eval: \(Self.unended(reason))."
    case .otherSamples(let path, let task, let found, let expected):
      "\(path): the samples of '\(task)' have the task hash \(found.prefix(12)), the results name "
        + "\(expected.prefix(12)); they are not of one evaluation."
    case .otherValues(let path, let task, let metric, let samples, let result):
      "\(path): the mean \(metric) of the samples of '\(task)' is \(samples), the results say "
        + "\(result); they are not of one evaluation."
    case .unknownAxis(let axis, let experiment, let known):
      "Experiment '\(experiment)' has no axis '\(axis)'; its axes are "
        + "\(known.joined(separator: ", ")). Name them with --axis AXIS=LABEL."
    case .exists(let path):
      "\(path) is there already; remove it or name another folder."
    case .noTasks(let run):
      "Run \(run) has no task with a definition; lm-eval's layout is of tasks."
    case .otherRows(let run, let task, let path):
      "\(path): not what run \(run) read for task '\(task)', or not there; prompts are written from "
        + "rows and definition. Name the folder of the spec with --folder."
    case .external(let run):
      "Run \(run) was imported from lm-eval; its files are lm-eval's already."
    case .noItems(let run, let reason):
      "Run \(run): its items cannot be read: \(reason)."
    case .busy(let path):
      "\(path): another process is importing it; try again."
    }
  }

  /// Reasons may be sentences of other errors.
  private static func unended(_ reason: String) -> Substring {
    reason.hasSuffix(".") ? reason.dropLast() : reason[...]
  }
}
