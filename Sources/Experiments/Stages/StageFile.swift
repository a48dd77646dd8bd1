import Foundation
import JSON

/// Names of the files that stages leave for each other.
enum StageFile {
  static let calibration = "calibration.json"
  static let table = "table.h5"
  static let plan = "plan.json"
  static let modules = "modules.json"
  static let metrics = "metrics.json"
  static let items = "items.h5"
  static let predictions = "reference.h5"
  static let divergence = "divergence.json"
  static let structure = "structure.h5"
  static let speed = "speed.json"
  static let cost = "cost.json"

  /// What a model wrote, a JSON object a sample.
  static func generations(of task: String) -> String { "\(task).generations.jsonl" }
}

extension StageContext {
  /// The folder or file of a role; its absence is our own mistake.
  func input(_ role: String) -> URL {
    guard let url = inputs[role] else { preconditionFailure("the stage has no input '\(role)'") }
    return url
  }

  func write(_ value: JSONValue, to name: String) throws {
    try PrettyJSON.data(value).write(to: directory.appending(path: name))
  }

  /// Records the tokens that went through the model, which are part of a method's cost.
  func recordForwardTokens(_ tokens: Int) throws {
    try write(["forwardTokens": JSONValue(tokens)], to: StageFile.cost)
  }
}
