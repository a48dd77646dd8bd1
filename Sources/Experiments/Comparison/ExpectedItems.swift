import Checkpoints
import Evaluation
import Foundation
import MoEModels

/// The items that a metric will have, counted in the files that it reads.
struct ExpectedItems {
  var metric: String
  var scope: String
  var items: Int

  /// Texts beyond this many bytes are not tokenized for a forecast.
  private static let mostBytes = 16 << 20

  /// Windows of every text and questions of every task, then of all together.
  ///
  /// - Returns: Nothing for files that are absent, unreadable or very large: a forecast is no check.
  static func counts(of parameters: PointParameters) -> [ExpectedItems] {
    let stage = EvaluateStage(parameters, precision: .f32)
    let tasks = stage.tasks.map { ($0.name, try? ChoiceItem.load($0.url).count) }
    return whole("perplexity", windows(stage, model: parameters.url(parameters.model.path)))
      + whole("accuracy", tasks) + stage.definedTasks.flatMap(answers)
  }

  /// Every metric of a task that says right or wrong of each item.
  private static func answers(_ task: EvaluateStage.DefinedTask) -> [ExpectedItems] {
    let metrics = task.definition.metrics.filter { $0 != .perplexity }
    guard task.sampling.samples == 1, !metrics.isEmpty,
      let count = try? task.definition.withShots(0).items(in: task.rows, limit: task.limit).count
    else { return [] }
    return metrics.map { ExpectedItems(metric: $0.rawValue, scope: task.name, items: count) }
  }

  private static func windows(_ stage: EvaluateStage, model: URL) -> [(String, Int?)] {
    guard !stage.corpora.isEmpty, let folder = try? ModelFolder(model),
      let tokenizer = try? folder.tokenizer()
    else { return [] }
    return stage.corpora.map { corpus in
      let bytes = (try? corpus.url.resourceValues(forKeys: [.fileSizeKey]).fileSize) ?? 0
      guard bytes <= mostBytes,
        let scoring = try? corpus.convention.scoring(
          context: corpus.context, stride: corpus.stride, for: folder.configuration, tokenizer),
        let documents = try? PerplexityText.documents(
          corpus.url, format: corpus.format, scoring: scoring, tokenizer: tokenizer)
      else { return (corpus.name, nil) }
      return (corpus.name, documents.reduce(0) { $0 + scoring.windowCount(of: $1.tokens) })
    }
  }

  /// The parts that could be counted, and their sum if all could.
  private static func whole(_ metric: String, _ parts: [(String, Int?)]) -> [ExpectedItems] {
    let counted = parts.compactMap { name, items in
      items.map { ExpectedItems(metric: metric, scope: name, items: $0) }
    }
    guard !counted.isEmpty, counted.count == parts.count else { return counted }
    return counted + [
      ExpectedItems(metric: metric, scope: "all", items: counted.reduce(0) { $0 + $1.items })
    ]
  }
}
