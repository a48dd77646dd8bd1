import Experiments
import Foundation
import JSON
import Testing

@testable import Reports

@Suite("Tests against a baseline")
struct BaselineTests {
  private static func table(_ extra: String) -> String {
    """
    [{"name": "main", "rows": ["method", "bits"], "columns": [{"ledger": "expert-code-bits"},
      {"metric": "perplexity"}, {"metric": "accuracy", "scope": "*"}]\(extra)}]
    """
  }

  /// Answers of which the first `right` of 40 are right.
  private static func answers(_ right: Int) -> [SeededItems] {
    [
      SeededItems(
        seeds: [:],
        items: MetricItems(
          form: .outcomes, values: (0..<40).map { $0 < right ? 1 : 0 }, noun: "questions"))
    ]
  }

  /// GPTQ and random at 3 bits against RTN, in each accuracy: `gained` more answers right than 10.
  private static func data(
    _ extra: String = #", "baseline": "RTN""#, gained: [String: Int] = ["GPTQ": 12, "random": 2],
    runs: [SyntheticRun] = Synthetic.runs
  ) throws -> ReportData {
    var data = try Synthetic.data(runs, tables: table(extra))
    data.comparisons = try ["GPTQ", "random"].flatMap { method in
      try data.definitions.filter { $0.definition.name == "accuracy" }.map { identified in
        ReportComparison(
          table: "main", row: [method, "3"], baseline: ["RTN", "3"], definition: identified.id,
          result: try MetricComparison(
            of: identified.definition, candidate: answers(10 + (gained[method] ?? 0)),
            baseline: answers(10), options: ComparisonOptions()))
      }
    }
    return data
  }

  private func row(_ label: String, _ data: ReportData) throws -> String {
    let text = try ReportRenderer(data).markdown()
    return try #require(
      text.split(separator: "\n").map(String.init).first { $0.hasPrefix("| \(label) ") })
  }

  @Test("a cell is marked if its adjusted p-value is at most α, and the legend says how")
  func marks() throws {
    let data = try Self.data()
    // Twelve of twelve: p = 2^-11; two of two: p = 1/2.
    #expect(try row("GPTQ", data).components(separatedBy: "†").count == 3)
    #expect(try !row("random", data).contains("†"))
    #expect(try !row("RTN", data).contains("†"))
    let text = try ReportRenderer(data).markdown()
    #expect(
      text.contains(
        "† differs from RTN at equal bits with p ≤ 0.05, Holm's correction for the 4 tests of this "
          + "table"))
    #expect(text.contains("2 of 4 compared cells"))
    #expect(text.contains("exact McNemar of one run against one; n = 40 questions."))
    #expect(text.contains("4 comparisons with a baseline, 4 distinct tests, in 1 table"))
  }

  @Test("the legend says where tests are over the items within texts")
  func strata() throws {
    var data = try Self.data()
    #expect(try !ReportRenderer(data).markdown().contains("within each of them"))
    for index in (data.comparisons ?? []).indices { data.comparisons?[index].result?.strata = 4 }
    #expect(
      try ReportRenderer(data).markdown().contains(
        "n = 40 questions. A metric over 4 texts or subjects is tested over the items within each of "
          + "them"))
  }

  @Test("Holm: six of six is p = 1/32, enough alone and too little among four")
  func holm() throws {
    let gained = ["GPTQ": 6, "random": 0]
    #expect(try !row("GPTQ", Self.data(gained: gained)).contains("†"))
    let alone = try Self.data(
      #", "baseline": "RTN", "test": {"correction": "none"}"#, gained: gained)
    #expect(try row("GPTQ", alone).contains("†"))
    let strict = try Self.data(
      #", "baseline": "RTN", "test": {"correction": "none", "alpha": 0.01}"#, gained: gained)
    #expect(try !row("GPTQ", strict).contains("†"))
    let tests = try #require(
      try ReportTable(
        ReportRenderer(Self.data(gained: gained)).tables[0], data: Self.data(gained: gained)
      ).tests)
    #expect(tests.familySize == 4)
    for (entry, adjusted) in zip(tests.entries, [0.125, 0.125, 1, 1]) {
      #expect(abs((entry.adjusted ?? 0) - adjusted) < 1e-12)
    }
  }

  @Test("forced rows enter no test, nor does the unquantized model")
  func forced() throws {
    var runs = Synthetic.runs
    runs[6].forced = true
    runs[7].forced = true
    let data = try Self.data(runs: runs)
    #expect(try !row("GPTQ", data).contains("†"))
    let text = try ReportRenderer(data).markdown()
    #expect(text.contains("0 of 2 compared cells"))
    #expect(text.contains("*Forced* rows, and rows whose baseline is, enter no test."))
    #expect(!text.contains("| full precision |      | accuracy"))
  }

  @Test("a baseline may be the unquantized model, or one row for all")
  func baselines() throws {
    for (baseline, expected) in [
      (#""full precision""#, [0, 0, 0]), (#"{"method": "random", "bits": "3"}"#, [3, 3]),
    ] {
      let data = try Synthetic.data(tables: Self.table(#", "baseline": \#(baseline)"#))
      let contents = try TableContents(ReportRenderer(data).tables[0], data: data)
      #expect(contents.baselinePairs.map(\.baseline) == expected)
    }
  }

  @Test("perplexity and bits per byte of one text are one test of the family")
  func hypotheses() {
    #expect(
      TableContents.measure(ofMetric: "perplexity")
        == TableContents.measure(ofMetric: "bits-per-byte"))
    #expect(TableContents.measure(ofMetric: "accuracy") == "accuracy")
  }

  @Test("columns without items to pair are named")
  func withoutItems() throws {
    var data = try Self.data()
    data.comparisons = nil
    let text = try ReportRenderer(data).markdown()
    #expect(text.contains("No cell is tested."))
    #expect(text.contains("Not tested, having no items: "))
  }

  @Test("why a cell is not tested is said")
  func refused() throws {
    var data = try Self.data()
    for index in data.comparisons?.indices ?? 0..<0 {
      data.comparisons?[index].result = nil
      data.comparisons?[index].refusal = "The items are gone."
    }
    let text = try ReportRenderer(data).markdown()
    #expect(text.contains("No cell is tested."))
    #expect(text.contains("The items are gone."))
    #expect(!text.contains("†"))
  }

  @Test("LaTeX: booktabs, escaped, marks, and the runs behind every row in comments")
  func latex() async throws {
    let files = try await ReportRenderer(Self.data()).files()
    let file = try #require(files.first { $0.path == "tables/tiny-main.tex" })
    let text = String(decoding: file.contents, as: UTF8.self)
    #expect(text.contains("\\begin{tabular}{llrrrrr}\n\\toprule\n"))
    #expect(text.contains("accuracy, arithmetic $\\uparrow$ (\\%)"))
    #expect(text.contains("8.220 $\\pm$ 0.028"))
    #expect(text.contains("25.0$^\\dagger$"))
    #expect(text.contains("% cells of row 3: runs=[GPTQ-3-calibration0, GPTQ-3-calibration1]\n"))
    #expect(
      text.contains("% cell(3, accuracy, arithmetic): p=0.0005 adjusted=0.0020 exact McNemar"))
    #expect(text.hasSuffix("\n") && !text.contains("±  "))
  }

  @Test("CSV holds unrounded means and deviations, and every test")
  func csv() async throws {
    let files = try await ReportRenderer(Self.data()).files()
    func text(_ path: String) throws -> String {
      String(decoding: try #require(files.first { $0.path == path }).contents, as: UTF8.self)
    }
    let table = try text("tables/tiny-main.csv")
    #expect(table.hasPrefix("method,bits,runs,forced,expert code bits (bits/weight),sd expert"))
    #expect(table.contains("\nGPTQ,3,2,no,3.0,0.0,8.219999999999999,0.028284271247462"))
    let tests = try text("tables/tiny-main-tests.csv")
    #expect(tests.split(separator: "\n").count == 5)
    #expect(tests.contains("GPTQ,3,accuracy,arithmetic,RTN / 3,0.25,0.55,0.3"))
  }

  @Test("data with comparisons survives its file, and gives the same bytes again")
  func roundTrip() async throws {
    try await inTemporaryFolder { folder in
      let reports = ReportFolder(folder)
      _ = try await ReportRenderer(Self.data()).write(to: reports)
      #expect(try await ReportRenderer.check("tiny", in: reports).isEmpty)
    }
  }

  @Test("variance: one line a row and metric, a single run with items alone")
  func variance() throws {
    var data = try Synthetic.data(tables: Self.table(#", "variance": true"#))
    let accuracy = try #require(data.definitions.first { $0.definition.name == "accuracy" })
    let replicates = (0..<2).map { seed in
      SeededItems(
        seeds: ["calibration": seed],
        items: MetricItems(
          form: .outcomes, values: [1, 1, 0, Double(seed)], noun: "questions"))
    }
    data.variances = [
      ReportVariance(
        table: "main", row: ["GPTQ", "3"], definition: accuracy.id,
        split: try VarianceSplit(of: accuracy.definition, runs: replicates)),
      ReportVariance(
        table: "main", row: ["RTN", "3"], definition: accuracy.id,
        split: try VarianceSplit(of: accuracy.definition, runs: [replicates[0]])),
    ]
    let lines = try ReportRenderer(data).markdown().split(separator: "\n")
    #expect(lines.contains { $0.contains("| calibration | items | calibration × items |") })
    let single = try #require(lines.first { $0.hasPrefix("| RTN ") && $0.contains("accuracy") })
    // Two of four right: √(1/3 / 4) of 100 points.
    #expect(single.contains(" 29 ") && single.contains("–"))
  }

  @Test("a cell's runs, values and test are found by its labels and column")
  func explanation() throws {
    let data = try Self.data()
    let cell = try CellExplanation(of: "GPTQ/3/accuracy, stories", table: "main", in: data)
    #expect(cell.runs.map(\.run) == ["GPTQ-3-calibration0", "GPTQ-3-calibration1"])
    #expect(cell.runs.map(\.value) == [50, 50])
    #expect(cell.baselineRuns == ["RTN-3"])
    #expect(cell.comparison?.gained == 12)
    let full = try CellExplanation(of: "full precision/perplexity", table: "main", in: data)
    #expect(full.text == "6.123" && full.comparison == nil)
    for wrong in ["GPTQ/4/perplexity", "GPTQ/3/perplexty"] {
      #expect(throws: ReportError.self) {
        try CellExplanation(of: wrong, table: "main", in: data)
      }
    }
  }

  @Test("tests to come are counted from the spec")
  func count() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().appending(path: "experiments")
    let spec = try ExperimentSpec(contentsOf: folder.appending(path: "quickstart.json"))
    let points = try spec.points()
    let count = try ReportCheck.testCount(
      of: spec, points: points, names: ModelPipeline.resultNames(of: points))
    // RTN, GPTQ at 3 bits, frequency and weight outlier at 2.5 and 3: one loss, five accuracies.
    #expect(count == 36)
  }
}
