import Experiments
import Foundation
import JSON
import Reports
import Testing

@Suite("Tables and figures before the first run")
struct ReportCheckTests {
  private static let repository = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// Checks the quickstart's spec after a replacement.
  private func check(_ old: String = "", _ new: String = "") throws {
    let folder = Self.repository.appending(path: "experiments")
    let file = folder.appending(path: "quickstart.json")
    let text = try String(contentsOf: file, encoding: .utf8)
    #expect(old.isEmpty || text.contains(old))
    let spec = try ExperimentSpec(
      document: try JSONParser.parse(text.replacing(old, with: new)), folder: folder,
      file: URL(filePath: "quickstart.json"))
    let points = try spec.points()
    try ReportCheck.check(spec, points: points, names: ModelPipeline.resultNames(of: points))
  }

  @Test("the quickstart's are sound")
  func sound() throws { try check() }

  @Test(
    "what could never be shown is refused with file, place and nearest name",
    arguments: [
      ("\"bestWithin\"", "\"bestwithin\"", "/tables/0/bestwithin", "bestWithin"),
      (
        "\"metric\": \"perplexity\", \"scope\": \"all\" },\n        {",
        "\"metric\": \"perplexty\", \"scope\": \"all\" },\n        {", "/tables/0/columns/3/metric",
        "perplexity"
      ),
      ("\"kind\": \"line\"", "\"kind\": \"lin\"", "/figures/0/kind", "line"),
      ("rtn-fallbacks", "rtn-falbacks", "/tables/0/columns/9/count", "rtn-fallbacks"),
      ("\"true-bytes\"", "\"true-byte\"", "/tables/0/columns/2/ledger", "true-bytes"),
      (
        "\"seconds\", \"stages\": [\"calibrate\"", "\"seconds\", \"stages\": [\"calibrat\"",
        "/tables/0/columns/6/stages", "calibrate"
      ),
      ("\"series\": \"method\"", "\"series\": \"methd\"", "/figures/0/series", "method"),
    ])
  func refused(old: String, new: String, place: String, nearest: String) throws {
    let error = try #require(throws: SpecError.self) { try check(old, new) }
    #expect(error.description.hasPrefix("quickstart.json: \(place): "), "\(error)")
    #expect(error.description.contains("did you mean \"\(nearest)\"?"), "\(error)")
  }

  @Test("so are rows that would average over an axis, and a figure of several numbers")
  func mixed() throws {
    let rows = """
      "rows": ["method", "bits"],
            "bestWithin": "bits",
      """
    #expect(
      throws: ReportError.mixedPoints(
        name: "Table main", axis: "bits", labels: ["2", "3", "4"])
    ) { try check(rows, #""rows": ["method"],"#) }
    let scope = try #require(throws: SpecError.self) {
      try check(
        #""y": { "metric": "perplexity", "scope": "all" }"#,
        #""y": { "metric": "perplexity", "scope": "*" }"#)
    }
    #expect(scope.description.hasPrefix("quickstart.json: /figures/0/y/scope: "))
  }

  @Test("the names that are promised are those of the committed results")
  func names() throws {
    let spec = try ExperimentSpec(
      contentsOf: Self.repository.appending(path: "experiments/quickstart.json"))
    let names = ModelPipeline.resultNames(of: try spec.points())
    let data = try ReportData.read(
      from: Self.repository.appending(path: "reports/data/quickstart.json"))
    let found = Dictionary(grouping: data.definitions.map(\.definition), by: \.name)
      .mapValues { Set($0.map(\.scope)) }
    #expect(found == names.metrics)
    #expect(Set(data.rows.flatMap(\.ledgers.keys)) == names.ledgers)
    #expect(Set(data.rows.flatMap(\.counts.keys)) == names.counts)
    #expect(Set(data.rows.flatMap(\.stages).map(\.name)) == names.stages)
  }

  @Test("the run that the README shows is one of the committed report")
  func readme() throws {
    let text = try String(
      contentsOf: Self.repository.appending(path: "README.md"), encoding: .utf8)
    let name = try #require(text.firstMatch(of: /assay show (quickstart-[0-9a-z]+)/)?.1)
    let data = try ReportData.read(
      from: Self.repository.appending(path: "reports/data/quickstart.json"))
    #expect(data.rows.count { $0.run.hasPrefix(name) } == 1)
  }
}
