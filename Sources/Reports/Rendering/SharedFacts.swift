import Experiments
import JSON

/// The facts on which all runs that state them agree.
struct SharedFacts {
  let values: [String: JSONValue]

  init(_ rows: [ReportRow]) {
    var shared: [String: JSONValue] = [:]
    var contested: Set<String> = []
    for (name, value) in rows.flatMap(\.facts) {
      if let known = shared[name], known != value { contested.insert(name) }
      shared[name] = value
    }
    values = shared.filter { !contested.contains($0.key) }
  }

  func text(_ name: String) -> String? {
    guard case .string(let text) = values[name] else { return nil }
    return text
  }

  func number(_ name: String) -> Double? {
    guard case .number(let number) = values[name] else { return nil }
    return number
  }
}
