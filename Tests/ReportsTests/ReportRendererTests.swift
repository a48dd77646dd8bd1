import Experiments
import Foundation
import Reports
import Testing

@Suite("Report")
struct ReportRendererTests {
  private func renderer() throws -> ReportRenderer {
    try ReportRenderer(try Synthetic.data(tables: Synthetic.table, figures: Synthetic.figure))
  }

  @Test("the text of a small report")
  func golden() throws {
    #expect(try renderer().markdown() == goldenReport)
  }

  @Test("writes every file once and nothing the second time")
  func writing() async throws {
    try await inTemporaryFolder { folder in
      let reports = ReportFolder(folder)
      let files = [
        "tiny.md", "tables/tiny-main.tex", "tables/tiny-main.csv", "figures/tiny-curve.svg",
        "data/tiny.json",
      ]
      let first = try await renderer().write(to: reports)
      let second = try await renderer().write(to: reports)
      let drift = try await ReportRenderer.check("tiny", in: reports)
      #expect(first == files && second.isEmpty && drift.isEmpty)
    }
  }

  @Test("a check names the files that were edited or deleted")
  func drift() async throws {
    try await inTemporaryFolder { folder in
      let reports = ReportFolder(folder)
      _ = try await renderer().write(to: reports)
      try FileManager.default.removeItem(at: folder.appending(path: "figures/tiny-curve.svg"))
      try Data("mine\n".utf8).write(to: folder.appending(path: "tiny.md"))
      let drift = try await ReportRenderer.check("tiny", in: reports)
      let written = try await renderer().write(to: reports)
      #expect(drift == ["tiny.md", "figures/tiny-curve.svg"])
      #expect(written == drift)
    }
  }

  @Test("a check without data says which file is not there")
  func absent() async throws {
    try await inTemporaryFolder { folder in
      let error = try await #require(throws: ReportError.self) {
        _ = try await ReportRenderer.check("tiny", in: ReportFolder(folder))
      }
      #expect(error.description.contains("data/tiny.json cannot be read"))
    }
  }
}
