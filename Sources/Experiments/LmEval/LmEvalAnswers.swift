import Evaluation
import Foundation
import HDF5
import JSON

/// What a model answered to one item, as lm-eval's samples hold it.
enum LmEvalAnswers {
  /// log p of every request, and whether greedy decoding would write it.
  case logLikelihoods([(value: Double, isGreedy: Bool)])
  /// Texts that were written, one a sample.
  case texts([String])

  var responses: JSONValue {
    switch self {
    // Each of the requests has one response; they are written as Python prints them.
    case .logLikelihoods: .array(pairs.map { [$0] })
    case .texts(let texts): [.array(texts.map { JSONValue($0) })]
    }
  }

  /// Behind the filter of a metric.
  func filtered(by metric: LmEvalMetric, of item: TaskItem) -> JSONValue {
    guard case .texts(let texts) = self else { return .array(pairs) }
    let kept = texts.map { JSONValue(metric.filtered($0, of: item)) }
    return metric.filter == LmEvalMetric.programs ? [.array(kept)] : .array(Array(kept.prefix(1)))
  }

  private var pairs: [JSONValue] {
    guard case .logLikelihoods(let answers) = self else { return [] }
    return answers.map { [JSONValue("\($0.value)"), JSONValue($0.isGreedy ? "True" : "False")] }
  }
}

extension LmEvalAnswers {
  /// Reads what a stage kept of a task that is scored by log-likelihoods.
  ///
  /// - Returns: One an item; nil if the file has other questions.
  static func logLikelihoods(
    to questions: [TaskItem], of task: String, in items: HDF5Reader
  ) throws(HDF5Error) -> [LmEvalAnswers]? {
    let counts = try items.read("tasks/\(task)/requests", as: Int64.self)
    let values = try items.read("tasks/\(task)/log_likelihood", as: Double.self)
    let greedy = try items.read("tasks/\(task)/is_greedy", as: UInt8.self)
    guard counts == questions.map({ Int64($0.requests.count) }), values.count == greedy.count,
      values.count == Int(counts.reduce(0, +))
    else { return nil }
    var next = 0
    return counts.map { count in
      defer { next += Int(count) }
      return .logLikelihoods(
        (next..<next + Int(count)).map { (values[$0], greedy[$0] == 1) })
    }
  }

  /// Reads what a stage kept of a task that the model wrote answers to.
  ///
  /// - Parameters:
  ///   - questions: The task's items.
  ///   - url: The file of generations, a JSON object a sample.
  /// - Returns: One an item; nil if the file has other questions.
  /// - Throws: What reading and parsing throw.
  static func texts(to questions: [TaskItem], in url: URL) throws -> [LmEvalAnswers]? {
    var texts: [String: [String]] = [:]
    for line in try Data(contentsOf: url).split(separator: UInt8(ascii: "\n")) {
      let sample = try JSONParser.parse(Data(line))
      guard let item = sample["item"]?.stringValue, let text = sample["text"]?.stringValue,
        texts[item, default: []].count == sample["sample"]?.intValue
      else { return nil }
      texts[item, default: []].append(text)
    }
    guard texts.count == questions.count else { return nil }
    let found = questions.compactMap { texts[$0.id].map { LmEvalAnswers.texts($0) } }
    return found.count == questions.count ? found : nil
  }
}
