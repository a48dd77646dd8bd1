import Foundation
import HDF5
import JSON

/// A file of samples: what lm-eval keeps of every question of a task.
struct LmEvalSamples {
  /// A line.
  struct Sample {
    var name: String
    /// Metric, with its filter, → value.
    var values: [String: Double]
    /// log p of the continuations; empty where answers are texts.
    var logLikelihoods: [Double]
    var isGreedy: [Bool]
  }

  let task: String
  /// Of one filter after the other: questions come once for every filter.
  let filters: [(name: String, samples: [Sample])]
  /// SHA-256 over the hashes of documents, prompts and targets of all lines.
  let taskHash: String

  /// Reads a file.
  ///
  /// - Throws: ``LmEvalError`` with file and line.
  init(_ url: URL, task: String) throws(LmEvalError) {
    let data: Data
    do { data = try FileContents.read(url) } catch {
      throw .unreadable(path: url.path, reason: ErrorText.line(error))
    }
    var filters: [(name: String, samples: [Sample])] = []
    var hashes = ""
    for (index, line) in data.split(separator: UInt8(ascii: "\n")).enumerated() {
      do throws(LmEvalReason) {
        let value = try Self.parse(Data(line))
        let filter = value["filter"]?.stringValue ?? "none"
        if filters.last?.name != filter { filters.append((filter, [])) }
        filters[filters.count - 1].samples.append(try Sample(value, filter: filter))
        for key in ["doc_hash", "prompt_hash", "target_hash"] {
          guard let hash = value[key]?.stringValue else {
            throw LmEvalReason(text: "\"\(key)\" is missing")
          }
          hashes += hash
        }
      } catch {
        throw .badSample(path: url.path, line: index + 1, reason: error.text)
      }
    }
    self.task = task
    self.filters = filters
    taskHash = Digest.of(Data(hashes.utf8))
  }

  /// The mean over questions of a metric, named as ours; nil if not every question has a number.
  func mean(of metric: String) -> Double? {
    for (_, samples) in filters {
      let values = samples.compactMap { $0.values[metric] }
      guard !values.isEmpty, values.count == samples.count else { continue }
      return values.reduce(0, +) / Double(values.count)
    }
    return nil
  }

  private static func parse(_ line: Data) throws(LmEvalReason) -> JSONValue {
    do {
      return try JSONParser.parse(line, admitting: [.nonFiniteNumbers, .roundedIntegers])
    } catch { throw LmEvalReason(text: "\(error)") }
  }

  /// Stores every question: name, values, log-likelihoods.
  func write(to file: HDF5Writer) throws {
    guard let first = filters.first?.samples, !first.isEmpty else { return }
    let place = "tasks/\(LmEvalResults.scope(of: task).replacing("/", with: "_"))"
    try file.write(Array(first.map(\.name).joined(separator: "\n").utf8), to: "\(place)/item")
    if first.contains(where: { !$0.logLikelihoods.isEmpty }) {
      try file.write(first.map { Int64($0.logLikelihoods.count) }, to: "\(place)/requests")
      try file.write(first.flatMap(\.logLikelihoods), to: "\(place)/log_likelihood")
      try file.write(
        first.flatMap { $0.isGreedy.map { $0 ? 1 : 0 as UInt8 } }, to: "\(place)/is_greedy")
    }
    for (_, samples) in filters {
      // What not every question has, or not as a number, is no value of items.
      for metric in samples[0].values.keys.sorted() {
        let values = samples.compactMap { $0.values[metric] }
        if values.count == samples.count { try file.write(values, to: "\(place)/\(metric)") }
      }
    }
  }
}

/// What is wrong with a line.
private struct LmEvalReason: Error {
  var text: String
}

extension LmEvalSamples.Sample {
  fileprivate init(_ value: JSONValue, filter: String) throws(LmEvalReason) {
    guard let id = value["doc_id"]?.intValue else {
      throw LmEvalReason(text: "\"doc_id\" is no whole number")
    }
    guard let names = value["metrics"]?.arrayValue?.compactMap(\.stringValue) else {
      throw LmEvalReason(text: "\"metrics\" is no list")
    }
    name = String(id)
    values = [:]
    for metric in names {
      guard let found = value[metric], !found.isNull, found.stringValue == nil else {
        throw LmEvalReason(text: "\"\(metric)\" is missing or no number")
      }
      // Lists are what some metrics keep of a question; they are no values of items.
      let number = found.doubleValue ?? found.boolValue.map { $0 ? 1 : 0 }
      values[LmEvalResults.metricName(metric, filter: filter)] = number
    }
    (logLikelihoods, isGreedy) = ([], [])
    // Written as texts: ["-12.5", "False"].
    for answer in value["filtered_resps"]?.arrayValue ?? [] {
      guard let pair = answer.arrayValue, pair.count == 2,
        let logLikelihood = pair[0].doubleValue ?? pair[0].stringValue.flatMap(Double.init),
        let greedy = pair[1].boolValue ?? ["False": false, "True": true][pair[1].stringValue ?? ""]
      else { continue }
      logLikelihoods.append(logLikelihood)
      isGreedy.append(greedy)
    }
  }
}
