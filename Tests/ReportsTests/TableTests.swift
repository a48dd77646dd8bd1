import Experiments
import Foundation
import Reports
import Testing

@Suite("Tables")
struct TableTests {
  /// The lines of the report that start with `| <label>`.
  private func lines(_ label: String, _ data: ReportData) throws -> [String] {
    try ReportRenderer(data).markdown().split(separator: "\n").map(String.init)
      .filter { $0.hasPrefix("| \(label)") }
  }

  /// The cells of the only row of `label`.
  private func cells(_ label: String, _ data: ReportData) throws -> [String] {
    let rows = try lines(label, data)
    try #require(rows.count == 1)
    return rows[0].dropFirst(2).dropLast(2).split(separator: " | ").map {
      String($0.trimming { $0 == " " })
    }
  }

  private static let perplexity = """
    [{"name": "main", "rows": ["method", "bits"], "columns": [{"metric": "perplexity"}]}]
    """

  @Test("± stands only where replicates differ, with two significant digits")
  func spread() throws {
    var runs = Synthetic.runs
    let data = try Synthetic.data(runs, tables: Self.perplexity)
    #expect(try cells("random", data).last == "9.00 ± 0.41")
    #expect(try cells("GPTQ", data).last == "8.220 ± 0.028")
    #expect(try cells("RTN", data).last == "8.800")
    runs[7].perplexity = 8.2
    #expect(try cells("GPTQ", Synthetic.data(runs, tables: Self.perplexity)).last == "8.200")
  }

  @Test("the legend says what ± is for every design")
  func legend() throws {
    let text = try ReportRenderer(try Synthetic.data(tables: Self.perplexity)).markdown()
    #expect(
      text.contains(
        "± sample standard deviation over n = 4 runs (2 calibration seeds × 2 search seeds) for "
          + "random; n = 2 runs (2 calibration seeds) for GPTQ."))
  }

  @Test("without replicates there is neither legend nor column of runs")
  func singleRuns() throws {
    let data = try Synthetic.data(
      Synthetic.runs.filter { $0.seeds.isEmpty }, tables: Self.perplexity)
    let text = try ReportRenderer(data).markdown()
    #expect(!text.contains("±") && !text.contains("runs |"))
  }

  @Test("the interval of a metric's own repeats stands behind a single run's number")
  func intervals() throws {
    var data = try Synthetic.data(tables: Self.perplexity)
    for row in data.rows.indices {
      data.rows[row].metrics[0].interval = MetricInterval(lower: 7.25, upper: 9.5)
    }
    #expect(try cells("RTN", data).last == "8.800 [7.250, 9.500]")
    // Of several runs, the spread between them is shown.
    #expect(try cells("random", data).last == "9.00 ± 0.41")
    let again = try JSONDecoder().decode(ReportData.self, from: data.encoded())
    #expect(again == data)
  }

  @Test("metrics of two definitions never share a column")
  func definitions() throws {
    var runs = Synthetic.runs
    runs[5].context = 512
    let data = try Synthetic.data(runs, tables: Self.perplexity)
    let ids = data.definitions.filter { $0.definition.name == "perplexity" }.map(\.id)
    let renderer = try ReportRenderer(data)
    let error = try #require(throws: ReportError.self) { try renderer.markdown() }
    #expect(ids.count == 2)
    for id in ids { #expect(error.description.contains(id)) }
  }

  @Test("a table may be restricted to one definition")
  func restriction() throws {
    var runs = Synthetic.runs
    runs[5].context = 512
    let table = """
      [{"name": "main", "rows": "method", "where": {"method": ["GPTQ", "random"]},
        "columns": [{"metric": "perplexity"}]}]
      """
    let data = try Synthetic.data(runs, tables: table)
    #expect(try lines("RTN", data).isEmpty)
    #expect(try cells("GPTQ", data).last == "8.220 ± 0.028")
  }

  @Test("a missing point prints – and a footnote, a partly missing one its mean")
  func missing() throws {
    let labels = { (method: String, bits: String) in
      [AxisLabel(axis: "method", label: method), AxisLabel(axis: "bits", label: bits)]
    }
    let data = try Synthetic.data(
      missing: [
        MissingPoint(
          axes: labels("random", "2.5"), seeds: ["calibration": 0], reason: "failed: no memory"),
        MissingPoint(axes: labels("GPTQ", "3"), seeds: ["calibration": 2], reason: "not run"),
      ], tables: Self.perplexity)
    let text = try ReportRenderer(data).markdown()
    #expect(try lines("random", data).first?.contains("| 2.5 [b] |    0 |") == true)
    #expect(try lines("random", data).first?.hasSuffix(" – |") == true)
    #expect(try cells("GPTQ", data) == ["GPTQ", "3 [a]", "2", "8.220 ± 0.028"])
    #expect(
      text.contains("- [a] GPTQ, 3: 1 of 3 runs without a result (calibration 2: not run).\n"))
    #expect(text.contains("- [b] random, 2.5: no result (calibration 0: failed: no memory).\n"))
    #expect(text.contains("**2 runs without a result**"))
  }

  @Test("a point with one feasible plan is forced and cannot be best")
  func forced() throws {
    var runs = Synthetic.runs
    runs[6].forced = true
    runs[7].forced = true
    let data = try Synthetic.data(runs, tables: Synthetic.table)
    #expect(try cells("GPTQ", data)[5] == "8.220 ± 0.028 *forced*")
    #expect(try cells("GPTQ", data)[3] == "3.000")
    #expect(try cells("RTN", data)[5] == "**8.800**")
    let text = try ReportRenderer(data).markdown()
    #expect(text.contains("quantized rows of equal bits; *forced* cells take no part."))
  }

  @Test("sizes that differ by less than the digits shown have no spread")
  func headerBytes() throws {
    let table = """
      [{"name": "main", "rows": ["method", "bits"], "columns": [{"ledger": "true-bytes"}]}]
      """
    var runs = Synthetic.runs
    runs[0].bytes += 400
    #expect(try cells("random", Synthetic.data(runs, tables: table)).last == "1.235")
    runs[0].bytes += 4000
    #expect(try cells("random", Synthetic.data(runs, tables: table)).last == "1.2357 ± 0.0022")
  }

  @Test("the footer defines the metrics that are shown, and no others")
  func shownDefinitions() throws {
    let text = try ReportRenderer(try Synthetic.data(tables: Self.perplexity)).markdown()
    #expect(text.contains("` perplexity, all: nats;"))
    #expect(!text.contains("` accuracy, "))
  }

  @Test("a name that no finished run has is no error while runs are missing")
  func incomplete() throws {
    let table = """
      [{"name": "main", "rows": ["method", "bits"],
        "columns": [{"cost": "seconds", "stages": ["quantize"]}, {"ledger": "paper-code-bits"}]}]
      """
    let missing = MissingPoint(
      axes: [AxisLabel(axis: "method", label: "RTN"), AxisLabel(axis: "bits", label: "3")],
      seeds: [:], reason: "not run")
    let data = try Synthetic.data(
      [SyntheticRun(method: "full precision", bits: "3")], missing: [missing], tables: table)
    #expect(try cells("RTN", data) == ["RTN", "3 [a]", "0", "–", "–"])
  }

  @Test("a number that is not finite is shown as such")
  func special() throws {
    var runs = Synthetic.runs
    runs[0].perplexity = nil
    runs[0].special = "inf"
    let data = try Synthetic.data(runs, tables: Self.perplexity)
    #expect(try cells("random", data).last == "∞ (1 of 4)")
  }

  @Test("rows that would average over an axis are refused")
  func mixed() throws {
    var runs = Synthetic.runs
    runs.append(SyntheticRun(method: "RTN", bits: "2.5"))
    let table = #"[{"name": "main", "rows": "method", "columns": [{"metric": "perplexity"}]}]"#
    let renderer = try ReportRenderer(try Synthetic.data(runs, tables: table))
    #expect(
      throws: ReportError.mixedPoints(name: "Table main", axis: "bits", labels: ["2.5", "3"])
    ) { try renderer.markdown() }
  }

  @Test("a pipe in a label does not break the table")
  func pipes() throws {
    let table = """
      [{"name": "main", "rows": "method", "where": {"method": "RTN"},
        "columns": [{"ledger": "true-bytes", "title": "a|b", "digits": 1}]}]
      """
    let text = try ReportRenderer(try Synthetic.data(tables: table)).markdown()
    #expect(text.contains("| method | a\\|b (MB) |\n| :----- | --------: |\n"))
    #expect(text.contains("| RTN    |       1.2 |\n"))
  }
}

extension StringProtocol {
  /// The text without the characters at both ends that satisfy `drops`.
  fileprivate func trimming(_ drops: (Character) -> Bool) -> String {
    var rest = self[...]
    while let first = rest.first, drops(first) { rest.removeFirst() }
    while let last = rest.last, drops(last) { rest.removeLast() }
    return String(rest)
  }
}
