import Experiments
import Foundation
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
}

/// Runs `body` with a folder that is removed afterwards.
func inTemporaryFolder(_ body: (URL) async throws -> Void) async throws {
  let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  try await body(folder)
}
