import Experiments
import Reports
import Testing

@Suite("Table and figure specs")
struct SpecTests {
  private func message(tables: String = "[]", figures: String = "[]") throws -> String {
    let data = try Synthetic.data(tables: tables, figures: figures)
    let error = try #require(throws: SpecError.self) { _ = try ReportRenderer(data).markdown() }
    return error.description
  }

  @Test("an unknown key is refused with its place and the nearest key")
  func unknownKey() throws {
    let table = #"[{"name": "main", "row": "method", "columns": []}]"#
    #expect(
      try message(tables: table)
        == "/tables/0/row: Unknown key \"row\"; did you mean \"rows\"? Allowed here: name, caption, "
        + "rows, where, columns, reference, bestWithin, baseline, test, variance.")
  }

  @Test(
    "so are keys and names further down",
    arguments: [
      (#""columns": [{"leger": "true-bytes"}]"#, "/tables/0/columns/0/leger", "ledger"),
      (
        #""columns": [{"ledger": "true-bites"}]"#, "/tables/0/columns/0/ledger",
        "true-bytes"
      ),
      (#""columns": [{"metric": "perplexty"}]"#, "/tables/0/columns/0/metric", "perplexity"),
      (
        #""columns": [{"metric": "accuracy", "scope": "storys"}]"#, "/tables/0/columns/0/scope",
        "stories"
      ),
      (#""columns": [{"cost": "second"}]"#, "/tables/0/columns/0/cost", "seconds"),
      (
        #""columns": [{"cost": "seconds", "stages": ["quantise"]}]"#,
        "/tables/0/columns/0/stages", "quantize"
      ),
      (#""columns": [{"ledger": "true-bytes", "stage": "x"}]"#, "/tables/0/columns/0/stage", nil),
      (#""columns": [], "where": {"methods": "RTN"}"#, "/tables/0/where/methods", "method"),
      (#""columns": [], "where": {"method": ["GPTK"]}"#, "/tables/0/where/method", "GPTQ"),
      (#""columns": [], "bestWithin": "bit""#, "/tables/0/bestWithin", "bits"),
      (#""columns": [], "baseline": "GPTK""#, "/tables/0/baseline", "GPTQ"),
      (#""columns": [], "baseline": {"metod": "GPTQ"}"#, "/tables/0/baseline/metod", "method"),
      (
        #""columns": [], "baseline": "GPTQ", "test": {"correction": "hom"}"#,
        "/tables/0/test/correction", "holm"
      ),
      (
        #""columns": [], "baseline": "GPTQ", "test": {"apha": 0.1}"#, "/tables/0/test/apha", "alpha"
      ),
      (#""columns": [], "baseline": "GPTQ", "test": {"alpha": 5}"#, "/tables/0/test/alpha", nil),
      (#""columns": [], "test": {}"#, "/tables/0", nil),
    ] as [(String, String, String?)])
  func misspelt(columns: String, place: String, nearest: String?) throws {
    let text = try message(tables: #"[{"name": "main", "rows": "method", \#(columns)}]"#)
    #expect(text.hasPrefix(place + ": "))
    if let nearest { #expect(text.contains("did you mean \"\(nearest)\"?")) }
  }

  @Test("a column is one of its kinds, a name is given once")
  func ambiguous() throws {
    let column = #"{"name": "a", "rows": "method", "columns": [{"ledger": "x", "count": "y"}]}"#
    #expect(try message(tables: "[\(column)]").contains("exactly one of cost, count, ledger"))
    let table = #"{"name": "a", "rows": "method", "columns": []}"#
    #expect(try message(tables: "[\(table), \(table)]").hasPrefix("/tables/1/name: "))
  }

  @Test("a figure checks its axes and names too")
  func figure() throws {
    let figure = Synthetic.figure.split(separator: "\"method\"").joined(separator: "\"metod\"")
    #expect(try message(figures: figure).hasPrefix("/figures/0/series: "))
    let kind = Synthetic.figure.split(separator: "\"line\"").joined(separator: "\"lines\"")
    #expect(try message(figures: kind).contains("did you mean \"line\"?"))
    let name = Synthetic.figure.split(separator: "\"curve\"").joined(separator: "\"../x\"")
    #expect(try message(figures: name).hasPrefix("/figures/0/name: "))
  }
}
