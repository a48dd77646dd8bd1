import Evaluation
import Foundation

/// What `Golden/lm_eval_reference.py` got of lm-eval.
struct LmEvalGolden: Decodable {
  struct Item: Decodable {
    /// Index among all rows.
    let row: Int
    let requests: [[String]]?
    let logLikelihoods: [Double]?
    let greedy: [Bool]?
    let metrics: [String: Double]?

    enum CodingKeys: String, CodingKey {
      case row, requests, greedy, metrics
      case logLikelihoods = "log_likelihoods"
    }
  }
  struct Task: Decodable {
    let shots: Int
    let rows: Int
    let crc32: UInt32
    let metrics: [String: Double]
    let subjects: [String: Double]?
    let items: [Item]
  }
  let tasks: [String: Task]

  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Golden")

  init(model: String) throws {
    let url = Self.folder.appending(path: "lm-eval.\(model).json")
    self = try JSONDecoder().decode(LmEvalGolden.self, from: Data(contentsOf: url))
  }

  /// Our definition of what the golden file calls by this name.
  static func definition(_ name: String, shots: Int) throws -> TaskDefinition {
    let task = name.hasPrefix("mmlu") ? "mmlu" : name
    return try TaskDefinition.named(task, in: shippedTasks).withShots(shots)
  }
}

let experiments = URL(filePath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent().appending(path: "experiments")
let shippedTasks = experiments.appending(path: "tasks")

/// CRC-32 of zlib, over "context NUL continuation NUL" of all requests.
struct RequestChecksum {
  private static let table = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { sum, _ in sum >> 1 ^ (sum & 1 == 1 ? 0xEDB8_8320 : 0) }
  }
  private(set) var value: UInt32 = 0

  init(_ items: [TaskItem]) {
    for request in items.lazy.flatMap(\.requests) {
      add(request.context)
      add(request.continuation)
    }
  }

  private mutating func add(_ text: String) {
    var sum = ~value
    for byte in text.utf8 { Self.add(byte, to: &sum) }
    Self.add(0, to: &sum)
    value = ~sum
  }

  private static func add(_ byte: UInt8, to sum: inout UInt32) {
    sum = table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] ^ sum >> 8
  }
}
