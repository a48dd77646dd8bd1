import Experiments
import Foundation
import JSON
import Reports
import Testing

@Suite("Report data")
struct ReportDataTests {
  @Test("comes in the order of the grid, whatever the order of the results")
  func order() throws {
    let forward = try Synthetic.data()
    let backward = try Synthetic.data(Synthetic.runs.reversed())
    #expect(forward == backward)
    #expect(try forward.encoded() == backward.encoded())
    #expect(
      forward.rows.map { $0.axes[0].label } == [
        "full precision", "RTN", "GPTQ", "GPTQ", "random", "random", "random", "random",
      ])
  }

  @Test("takes a run once")
  func duplicates() throws {
    #expect(try Synthetic.data(Synthetic.runs + Synthetic.runs) == Synthetic.data())
  }

  @Test("survives its file, and says nothing of hosts and times")
  func roundTrip() async throws {
    try await inTemporaryFolder { folder in
      let data = try Synthetic.data(tables: Synthetic.table, figures: Synthetic.figure)
      let file = folder.appending(path: "tiny.json")
      try data.encoded().write(to: file)
      #expect(try ReportData.read(from: file) == data)
      let text = try String(contentsOf: file, encoding: .utf8)
      #expect(text.hasSuffix("}\n"))
      #expect(!text.contains("somewhere") && !text.contains("2026"))
    }
  }

  @Test("of another version is refused")
  func version() async throws {
    try await inTemporaryFolder { folder in
      let file = folder.appending(path: "tiny.json")
      try Data(#"{"format": "assay.report-data", "version": 2}"#.utf8).write(to: file)
      #expect(
        throws: ReportError.unsupportedData(
          path: file.path, format: "assay.report-data", version: 2)
      ) {
        try ReportData.read(from: file)
      }
    }
  }

  @Test("lists what came from outside, not the artifacts of stages")
  func inputs() throws {
    let inputs = try Synthetic.data().inputs
    #expect(inputs.map(\.role) == ["corpus", "model"])
    #expect(inputs.map(\.digest) == ["bbbb", "aaaa"])
    #expect(inputs.map(\.stages) == [["calibrate"], ["calibrate", "quantize"]])
  }

  @Test("gives equal definitions one id and different ones two")
  func definitions() throws {
    var runs = Synthetic.runs
    #expect(try Synthetic.data(runs).definitions.count == 3)
    runs[0].context = 512
    let definitions = try Synthetic.data(runs).definitions
    #expect(definitions.count == 6)
    #expect(definitions.allSatisfy { $0.id.count == 10 })
  }

  @Test("takes from a plan what is done and lists the rest as missing")
  func plan() throws {
    let spec = try ExperimentSpec(
      document: [
        "schemaVersion": 1, "name": "tiny", "base": [:], "tables": [["name": "main"]],
        "axes": [
          "method": [["label": "RTN", "set": [:]], ["label": "GPTQ", "set": [:]]],
          "bits": ["path": "budget.experts", "values": [2.5, 3]],
        ],
      ], folder: FileManager.default.temporaryDirectory)
    let plan = try
      ([
        "experiment": "tiny", "expectedBytes": 0,
        "runs": [
          planned("a", "RTN", state: "done"), planned("b", "GPTQ", state: "new"),
          planned("c", "GPTQ", state: "failed", error: "No memory.\nTrace"),
        ],
      ] as JSONValue).decoded(as: ExperimentPlan.self)
    let rtn = try SyntheticRun(method: "RTN", bits: "3").result
    let data = try ReportData.collect(spec, plan: plan) { $0 == "a" ? rtn : nil }
    #expect(data.axes.map(\.labels) == [["RTN", "GPTQ"], ["2.5", "3"]])
    #expect(data.rows.map(\.run) == [rtn.run])
    #expect(Set(data.missing.map(\.reason)) == ["not run", "failed: No memory."])
    #expect(data.spec == spec.digest && data.tables == spec.tables)
  }

  private func planned(
    _ run: String, _ method: String, state: String, error: String? = nil
  ) -> JSONValue {
    [
      "run": JSONValue(run), "state": JSONValue(state), "error": error.map { JSONValue($0) } ?? nil,
      "axes": [
        ["axis": "method", "label": JSONValue(method)], ["axis": "bits", "label": "3"],
      ],
      "aliases": [], "seeds": ["calibration": 0], "stages": [],
    ]
  }
}

/// Runs `body` with a folder that is removed afterwards.
func inTemporaryFolder(_ body: (URL) async throws -> Void) async throws {
  let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  try await body(folder)
}
