import Experiments
import Foundation
import Reports
import Testing

@Suite("Report")
struct ReportRendererTests {
  @Test("the text of a small report")
  func golden() throws {
    let data = try Synthetic.data(tables: Synthetic.table, figures: Synthetic.figure)
    let text = try ReportRenderer(data).markdown()
    print(text)
  }
  @Test func picture() async throws {
    let data = try Synthetic.data(tables: Synthetic.table, figures: Synthetic.figure)
    print(
      try await ReportRenderer(data).write(to: ReportFolder(URL(fileURLWithPath: "/tmp/w/out"))))
  }
}
