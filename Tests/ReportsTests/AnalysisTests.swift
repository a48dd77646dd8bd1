import Experiments
import Foundation
import JSON
import Reports
import Testing

@Suite("Analyses in reports")
struct AnalysisTests {
  private var table: AnalysisTable {
    AnalysisTable(
      "gains", "What bits are worth.",
      columns: [.words("part"), .count("n"), .number("saved"), .number("share (%)")],
      rows: [
        [.text("a | b"), .number(12), .interval(1.23456, 1.1...1.36), .number(0.0123456)],
        [.text("c"), .number(3), .absent, .interval(2, 2...2)],
      ], notes: ["First.", "Second."])
  }

  @Test("numbers are printed to the digits that their interval leaves")
  func markdown() {
    #expect(
      table.markdown == """
        **Table gains.** What bits are worth.

        | part   |   n |             saved |         share (%) |
        | :----- | --: | ----------------: | ----------------: |
        | a \\| b |  12 | 1.23 [1.10, 1.36] |            0.0123 |
        | c      |   3 |                 – | 2.00 [2.00, 2.00] |

        First. Second.

        """)
  }

  @Test("the lower end of a skewed interval keeps a digit")
  func skewed() {
    let table = AnalysisTable(
      "t", "c", columns: [.number("ratio")], rows: [[.interval(12.3, 0.51...294)]])
    #expect(table.markdown.contains("| 12.3 [0.5, 294.0] |"))
  }

  @Test("one line a number, with its interval")
  func csv() {
    #expect(
      table.csvRows == [
        ["gains", "a | b", "n", "12.0", "", ""],
        ["gains", "a | b", "saved", "1.23456", "1.1", "1.36"],
        ["gains", "a | b", "share (%)", "0.0123456", "", ""],
        ["gains", "c", "n", "3.0", "", ""], ["gains", "c", "share (%)", "2.0", "2.0", "2.0"],
      ])
  }

  @Test("data keeps tables and pictures in full; data without analyses stays as it was")
  func coding() throws {
    var data = try Synthetic.data()
    #expect(!String(decoding: try data.encoded(), as: UTF8.self).contains("analyses"))
    let figure = AnalysisFigure(
      name: "map", caption: "A map.", plot: nil,
      heatMap: .init(
        x: "x", y: "y", columns: ["1", "2"], rows: ["a"], cells: [[1, nil]], unit: "nats",
        isDiverging: true, showsNumbers: true))
    data.analyses = [
      ReportAnalysis(
        name: "parts", caption: "Why.",
        parts: [.init(title: nil, result: AnalysisResult(tables: [table], figures: [figure]))])
    ]
    let url = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).json")
    defer { try? FileManager.default.removeItem(at: url) }
    try data.encoded().write(to: url)
    #expect(try ReportData.read(from: url) == data)
    let text = try ReportRenderer(data).markdown()
    #expect(text.contains("## parts\n\nWhy.\n\n**Table gains.**"))
    #expect(text.contains("![A map.](figures/tiny-parts-map.svg)"))
  }

  @Test("pictures are drawn")
  func figures() async throws {
    var data = try Synthetic.data()
    let plot = AnalysisFigure(
      name: "plot", caption: "Points.",
      plot: .init(
        x: "x's name", y: "y",
        series: [
          .init(name: "s", points: [.init(x: 1, y: 2), .init(x: 2, y: 3, low: 1, high: 4)])
        ],
        joinsPoints: true, isLogarithmic: false), heatMap: nil)
    let map = AnalysisFigure(
      name: "map", caption: "A map.", plot: nil,
      heatMap: .init(
        x: "x", y: "y", columns: ["first", "second"], rows: ["a", "b"],
        cells: [[1, nil], [-2, 0]],
        unit: "nats", isDiverging: true, showsNumbers: true))
    data.analyses = [
      ReportAnalysis(
        name: "p", caption: nil,
        parts: [.init(title: nil, result: AnalysisResult(tables: [], figures: [plot, map]))])
    ]
    let files = try await ReportRenderer(data).files()
    let pictures = files.filter { $0.path.hasSuffix(".svg") }
    #expect(pictures.map(\.path) == ["figures/tiny-p-plot.svg", "figures/tiny-p-map.svg"])
    for picture in pictures {
      #expect(String(decoding: picture.contents, as: UTF8.self).contains("</svg>"))
    }
  }

  @Test(
    "what no run could fill is refused with its place",
    arguments: [
      (#"{"name": "a", "kind": "structur"}"#, "/analyses/0/kind", "structure"),
      (#"{"name": "a", "kind": "transfer", "axis": "bit"}"#, "/analyses/0/axis", "bits"),
      (
        #"{"name": "a", "kind": "transfer", "axis": "bits", "merged": "2.6"}"#,
        "/analyses/0/merged", "2.5"
      ),
      (
        #"{"name": "a", "kind": "structure", "axis": "bits"}"#, "/analyses/0/axis",
        nil
      ),
      (
        #"{"name": "a", "kind": "structure", "where": {"bit": "3"}}"#, "/analyses/0/where/bit",
        "bits"
      ),
      (#"{"name": "a", "kind": "transfer"}"#, "/analyses/0", nil),
    ] as [(String, String, String?)])
  func refused(element: String, place: String, nearest: String?) throws {
    let analyses = try JSONParser.parse("[\(element)]")
    let error = try #require(throws: SpecError.self) {
      try AnalysisSpec.decode(analyses, axes: Synthetic.axes)
    }
    #expect(error.description.hasPrefix(place + ":"), "\(error)")
    if let nearest {
      #expect(error.description.contains("did you mean \"\(nearest)\"?"), "\(error)")
    }
  }
}
