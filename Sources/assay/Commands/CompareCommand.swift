import ArgumentParser
import BitAllocation
import Experiments
import Foundation
import JSON
import Reports

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Compare two runs item by item, or two plans.",
    discussion: """
      Runs are named, or chosen by experiment and labels with all their replicates; differences are \
      the second minus the first. Answers are compared by exact McNemar, losses by a bootstrap of \
      windows, replicates by the crossed effects of seeds and items. Metrics of different \
      definitions or items are refused.

      Plans are files: JSON that `assay allocate --format json` prints, {unit: bits}, or with --as another
      form: csv (unit,bits), matrix (layers by experts, as published for PMQ and GEMQ), evopress.
      --at and --at-b point into a larger JSON file. --figure draws bits by layer and expert.

      Examples:
        assay compare quickstart:random/3 quickstart:GPTQ/3
        assay compare quickstart-fmzp quickstart-k2d7 --metric accuracy --top 20 --format json
        assay compare plan-a.json plan-b.json --table table.h5
        assay compare m.json m.json --as matrix --at /pmq_solution_by_total_bits/20 \\
          --at-b /gemq_solution/2.5
      """)

  @Argument(help: "First run or plan.", completion: .file()) var a: String
  @Argument(help: "Second run or plan.", completion: .file()) var b: String

  @Option(help: "Sensitivity table, whose weights the means of bits count.", completion: .file())
  var table: String?

  @Option(name: .customLong("as"), help: "How the plans are written.")
  var form = PlanFormat.plan

  @Option(help: "JSON pointer to the first plan.") var at = ""
  @Option(help: "JSON pointer to the second plan.") var atB = ""

  @Option(help: "Picture to write: .svg, layers by experts.", completion: .file())
  var figure: String?

  @OptionGroup var runs: RunComparisonOptions
  @OptionGroup var workspace: WorkspaceOption
  @OptionGroup var format: FormatOption

  func validate() throws {
    guard let figure, URL(filePath: figure).pathExtension != "svg" else { return }
    throw ValidationError("--figure \(figure): name a file that ends in .svg.")
  }

  func run() throws {
    guard namesPlans else {
      return try RunComparisonOutput(a, b, options: runs, in: workspace.value)
        .write(format.format)
    }
    let table = try self.table.map { try SensitivityTable(reading: URL(filePath: $0)) }
    let result = try PlanComparison(plan(a, at), plan(b, atB), table: table)
    if let figure { try draw(result.heatMap, to: URL(filePath: figure)) }
    switch format.format {
    case .json:
      return try StandardOutput.write(PrettyJSON.text(json(result), sortingKeys: false))
    case .csv, .md: return try StandardOutput.write(groups(result).text(format.format))
    case .text: break
    }
    func number(_ value: Double?) -> String {
      value.map { String(format: "%.4g", $0) } ?? "undefined"
    }
    try StandardOutput.writeLine(
      "\(result.units) units, means \(result.weighting.rawValue)\n"
        + "agreement \(String(format: "%.1f %%", 100 * result.agreement)), "
        + "κ \(number(result.kappa.value)), Spearman \(number(result.spearman)), "
        + "Jaccard of units at \(number(result.highestLevel)) bits "
        + number(result.highestLevelJaccard))
    try StandardOutput.write(confusion(result.levels).text(.text))
    try StandardOutput.write(groups(result).text(.text))
    try StandardOutput.write(heatMap(result.heatMap))
  }

  /// Files are plans, and so is what only plans have options for.
  private var namesPlans: Bool {
    [a, b].contains { $0.hasSuffix(".json") || FileManager.default.fileExists(atPath: $0) }
      || table != nil || figure != nil || form != .plan || !at.isEmpty || !atB.isEmpty
  }

  private func plan(_ path: String, _ pointer: String) throws -> Plan {
    let data: Data
    do { data = try FileContents.read(URL(filePath: path)) } catch {
      throw UnusableArgument("\(error)")
    }
    let tokens = pointer.split(separator: "/").map(String.init)
    do { return try Plan(importing: data, as: form, at: JSONPointer(tokens)) } catch {
      throw UnusableArgument("\(path): \(error)")
    }
  }

  private func draw(_ map: ExpertHeatMap, to url: URL) throws {
    guard !map.layers.isEmpty else {
      throw UnusableArgument("--figure: the plans name no routed experts by layer.")
    }
    let figure = HeatMapFigure(
      title: "\(URL(filePath: a).lastPathComponent) and \(URL(filePath: b).lastPathComponent)",
      layers: map.layers, experts: map.experts, first: map.cells.map { $0.map { $0?.a } },
      second: map.cells.map { $0.map { $0?.b } })
    let picture = try blocking { try await figure.svg() }
    try SingleStage.write(file: url) { place, _ in try picture.write(to: place) }
  }

  private func json(_ result: PlanComparison) -> JSONValue {
    func number(_ value: Double?) -> JSONValue { value.map { JSONValue($0) } ?? .null }
    let rows = groups(result)
    return [
      "units": JSONValue(result.units), "means": JSONValue(result.weighting.rawValue),
      "agreement": JSONValue(result.agreement), "kappa": number(result.kappa.value),
      "spearman": number(result.spearman), "highestLevel": JSONValue(result.highestLevel),
      "highestLevelJaccard": number(result.highestLevelJaccard),
      "levels": [
        "bits": .array(result.levels.levels.map { JSONValue($0) }),
        "counts": .array(
          result.levels.counts.map { row in .array(row.map { JSONValue($0) }) }),
      ],
      "groups": rows.json,
    ]
  }

  private func confusion(_ levels: LevelConfusion) -> DataTable {
    var rows = DataTable(["first \\ second"] + levels.levels.map { CanonicalJSON.number($0) })
    for (level, counts) in zip(levels.levels, levels.counts) {
      rows.append([JSONValue(CanonicalJSON.number(level))] + counts.map { JSONValue($0) })
    }
    return rows
  }

  private func groups(_ result: PlanComparison) -> DataTable {
    var rows = DataTable(["group", "units", "first", "second", "difference"])
    func append(_ name: String, _ units: Int, _ bits: BitsPair) {
      rows.append([
        JSONValue(name), JSONValue(units), JSONValue(bits.a), JSONValue(bits.b),
        JSONValue(bits.difference),
      ])
    }
    append("all", result.units, result.mean)
    for group in result.byLayer { append("layer \(group.group)", group.units, group.bits) }
    for group in result.byProjection { append(group.group, group.units, group.bits) }
    for group in result.byExpert { append("expert \(group.group)", group.units, group.bits) }
    return rows
  }

  /// A row a layer, a column an expert: bits of the first plan and of the second.
  private func heatMap(_ map: ExpertHeatMap) -> String {
    guard !map.layers.isEmpty, map.experts.count <= 16 else { return "" }
    return zip(map.layers, map.cells).map { layer, cells in
      "layer \(layer)".padding(toLength: 10, withPad: " ", startingAt: 0)
        + cells.map { cell in
          cell.map { "\(CanonicalJSON.number($0.a))→\(CanonicalJSON.number($0.b))" } ?? "·"
        }.joined(separator: " ") + "\n"
    }.joined()
  }
}

extension PlanFormat: ExpressibleByArgument {}
