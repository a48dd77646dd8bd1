import Experiments
import Foundation
import JSON

/// A temporary folder with a corpus, a workspace and an engine over ``FakePipeline``.
struct Bench {
  let root: URL
  var pipeline: FakePipeline

  init() throws {
    root = URL.temporaryDirectory.appending(path: "assay-\(UUID().uuidString)")
    pipeline = FakePipeline(marks: root.appending(path: "marks"))
    try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
    try Data("some text".utf8).write(to: root.appending(path: "corpus.txt"))
  }

  /// A folder that another process made.
  init(at path: String) {
    root = URL(filePath: path)
    pipeline = FakePipeline(marks: root.appending(path: "marks"))
  }

  func remove() { try? FileManager.default.removeItem(at: root) }

  var workspace: Workspace { Workspace(root: root.appending(path: ".assay")) }
  var engine: Engine { Engine(workspace: workspace, pipeline: pipeline) }

  static let base = """
    {"model": {"path": "model"}, "calibration": {"corpus": "corpus.txt"},
     "quantizer": {"method": "rtn"}, "evaluation": {"tasks": {"sums": "sums.jsonl"}}}
    """

  static let methods = """
    "method": [{"label": "full precision", "set": {"quantizer": null}},
               {"label": "random", "set": {"allocation.allocator": "random"}},
               {"label": "frequency", "set": {"allocation.allocator": "frequency"}}]
    """

  /// Method × bits with replicates: 1 + 2·(2·2) + 2·2 = 13 runs.
  static let grid = """
    "axes": {\(methods), "bits": {"path": "budget.experts", "values": [2.5, 3]}},
    "replicates": {"calibration": [0, 1], "search": [0, 1]}
    """

  /// A spec with the usual base and these members.
  func spec(_ members: String, base: String = Bench.base) throws -> ExperimentSpec {
    let extra = members.isEmpty ? "" : ", \(members)"
    let text = #"{"schemaVersion": 1, "name": "trial", "base": \#(base)\#(extra)}"#
    return try ExperimentSpec(document: try JSONParser.parse(text), folder: root)
  }

  @discardableResult
  func run(_ spec: ExperimentSpec, options: RunOptions = RunOptions()) throws -> RunSummary {
    try engine.run(spec, options: options) { _ in }
  }

  func artifactFolders(of stage: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(
      atPath: workspace.artifacts.appending(path: stage).path
    ).filter { !$0.hasSuffix(".lock") }.sorted()
  }
}
