import Evaluation
import Foundation
import Testing

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

/// Trained weights and rows of benchmarks, in a folder that the environment names.
enum BenchmarkData {
  static let variable = "ASSAY_BENCHMARK_DATA"
  static let folder = ProcessInfo.processInfo.environment[variable].map { URL(filePath: $0) }
  static let hint: Comment = "set ASSAY_BENCHMARK_DATA to a folder with benchmarks/ and models/"
  static var benchmarks: URL? { folder?.appending(path: "benchmarks") }
  static var model: URL? { folder?.appending(path: "models/english-moe-20m") }
}

/// CRC-32 of zlib.
struct Checksum {
  private static let table = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { sum, _ in sum >> 1 ^ (sum & 1 == 1 ? 0xEDB8_8320 : 0) }
  }
  private(set) var value: UInt32 = 0

  mutating func add(_ bytes: some Sequence<UInt8>) {
    var sum = ~value
    for byte in bytes {
      sum = Self.table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] ^ sum >> 8
    }
    value = ~sum
  }

  /// Over "context NUL continuation NUL" of all requests.
  static func requests(of items: [TaskItem]) -> UInt32 {
    var sum = Checksum()
    for request in items.lazy.flatMap(\.requests) {
      sum.add("\(request.context)\0\(request.continuation)\0".utf8)
    }
    return sum.value
  }
}
