import Checkpoints
import Foundation
import JSON
import Testing

@testable import Experiments

@Suite struct InputTests {
  /// `experiments/` of this repository.
  private static let experiments = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "experiments")

  private static let base = """
    {"model": {"path": "reference-model"},
     "calibration": {"corpus": "reference-model/calibration.mixed.txt"},
     "quantizer": {"method": "gptq"},
     "evaluation": {"tasks": {"stories": "reference-model/items/stories.jsonl"}}}
    """

  private static let axes = """
    "axes": {"method": [{"label": "full precision", "set": {"quantizer": null}},
                        {"label": "RTN", "set": {"quantizer.method": "rtn"}},
                        {"label": "GPTQ", "set": {}}],
             "bits": {"path": "budget.experts", "values": [2, 3]}}
    """

  /// What is said of the quickstart's model and files after one replacement.
  private func problems(_ old: String, _ new: String) throws -> [String] {
    let bench = try Bench()
    defer { bench.remove() }
    let text =
      #"{"schemaVersion": 1, "name": "trial", "base": \#(Self.base.replacing(old, with: new)), "#
      + Self.axes + "}"
    let spec = try ExperimentSpec(
      document: try JSONParser.parse(text), folder: Self.experiments,
      file: URL(filePath: "trial.json"))
    let engine = Engine(workspace: bench.workspace, pipeline: ModelPipeline())
    do {
      _ = try engine.run(spec) { _ in Issue.record("something was begun") }
      return []
    } catch let error as UnusableInputs {
      #expect(!FileManager.default.fileExists(atPath: bench.workspace.runs.path))
      return error.problems.map(\.description)
    }
  }

  @Test(
    "an input that cannot be used is named once, with its place, before anything runs",
    arguments: [
      ("calibration.mixed", "calibration.mixd", "/base/calibration/corpus: There is no "),
      ("\"reference-model\"", "\"reference-modl\"", "/base/model/path: There is no "),
      ("\"reference-model\"", "\"quickstart.json\"", "/base/model/path: /"),
      ("\"reference-model\"", "\"benchmarks\"", "/base/model/path: There is no "),
      ("items/stories.jsonl", "items/story.jsonl", "/base/evaluation/tasks/stories: There is no "),
      ("items/stories.jsonl", "README.md", "/base/evaluation/tasks/stories: "),
      ("items/stories.jsonl", "items", "/base/evaluation/tasks/stories: "),
      (
        #"mixed.txt""#, #"mixed.txt", "context": 100000"#,
        "/base/calibration/context: A sequence of 100000 tokens is longer than"
      ),
    ])
  func unusable(old: String, new: String, start: String) throws {
    let problems = try problems(old, new)
    #expect(problems.count == 1, "\(problems)")
    #expect(problems.first?.hasPrefix("trial.json: \(start)") ?? false, "\(problems)")
    #expect(!(problems.first ?? "").contains("NSCocoaErrorDomain"))
  }

  @Test("a text of fewer bytes than a window has tokens is too short")
  func shortText() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let corpus = bench.root.appending(path: "corpus.txt").path
    let problems = try problems("reference-model/calibration.mixed.txt", corpus)
    #expect(
      problems == [
        "trial.json: /base/calibration/corpus: \(corpus) has 9 bytes of text, less than one window of "
          + "256 tokens; use a longer text or a shorter context."
      ])
  }

  @Test("errors of files are one line in the system's words")
  func oneLine() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let missing = bench.root.appending(path: "nowhere.json")
    let error = #expect(throws: StoreError.self) { try FileContents.read(missing) }
    #expect(error?.description == "reading of \(missing.path) failed: No such file or directory.")
    let folder = #expect(throws: StoreError.self) { try FileContents.read(bench.root) }
    #expect(folder?.description.hasSuffix("Is a directory.") ?? false)
    let foundation = #expect(throws: (any Error).self) {
      try FileManager.default.contentsOfDirectory(atPath: missing.path)
    }
    let line = ErrorText.line(try #require(foundation))
    #expect(line == "\(missing.path): No such file or directory")
    let spec = #expect(throws: SpecError.self) { try ExperimentSpec(contentsOf: missing) }
    #expect(
      spec?.description
        == "\(missing.relativePath): The file cannot be read: No such file or directory.")
  }

  @Test("more sequences than a text has different windows are refused before they are drawn")
  func tooManySequences() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let model = Self.experiments.appending(path: "reference-model")
    let text = try Data(contentsOf: model.appending(path: "text/test.stories.txt"))
    let corpus = bench.root.appending(path: "short.txt")
    try text.prefix(2000).write(to: corpus)
    let tokenizer = try Tokenizer(model.appending(path: "tokenizer.json"))
    func sample(_ sequences: Int) throws -> Int {
      try CalibrateStage(
        model: model, corpora: [.init(url: corpus)], format: .text, sequences: sequences,
        context: 64, precision: .f32, seed: 0
      ).sample(tokenizer).0.sequences.count
    }
    let tokens = tokenizer.encode(
      String(decoding: text.prefix(2000), as: UTF8.self), addSpecialTokens: true
    ).count
    let windows = tokens - 63
    #expect(try sample(windows) == windows)
    #expect(
      throws: CalibrateStageError.tooManySequences(
        1_000_000_000, path: corpus.path, windows: windows, context: 64)
    ) { try sample(1_000_000_000) }
  }

  @Test("what is asked for the whole is there for a single corpus and a single task too")
  func wholeOfOne() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let model = Self.experiments.appending(path: "reference-model")
    let text = try Data(contentsOf: model.appending(path: "text/test.stories.txt"))
    let (corpus, items) = (
      bench.root.appending(path: "short.txt"), bench.root.appending(path: "short.jsonl")
    )
    try text.prefix(2000).write(to: corpus)
    let lines = try String(
      contentsOf: model.appending(path: "items/stories.jsonl"), encoding: .utf8)
    try Data(lines.split(separator: "\n").prefix(2).joined(separator: "\n").utf8).write(to: items)
    try EvaluateStage(
      corpora: [.init(name: "short", url: corpus, format: .text, context: 64)],
      tasks: [(name: "few", url: items)], precision: .f32
    ).write(
      weights: model,
      to: StageContext(directory: bench.root, inputs: [:], progress: { _, _ in }))
    let metrics = try JSONDecoder().decode(
      [Metric].self, from: Data(contentsOf: bench.root.appending(path: "metrics.json")))
    for name in ["perplexity", "bits-per-byte", "accuracy"] {
      let found = metrics.filter { $0.definition.name == name }
      #expect(found.count == 2)
      #expect(found.map(\.definition.scope).contains("all"))
      // One part pooled is that part, up to the rounding of sums taken in another order.
      let values = found.compactMap(\.value)
      #expect(abs(values[0] - values[1]) <= 1e-12 * abs(values[0]), "\(name)")
    }
  }
}
