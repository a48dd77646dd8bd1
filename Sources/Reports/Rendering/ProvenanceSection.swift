import Experiments

/// The footer: what the numbers mean and what they were made from.
struct ProvenanceSection {
  let data: ReportData
  /// Ids of the definitions that tables and figures show.
  let shown: Set<String>
  /// The tests of every table that has some.
  var families: [TableTests] = []

  var markdown: String {
    let sections = [
      definitions, lines("Inputs", inputs), lines("Facts", facts), lines("Counts", counts),
      lines("Remarks", remarks), lines("Comparisons", comparisons), lines("Runs", runs),
    ]
    return "## Provenance\n\n" + sections.filter { !$0.isEmpty }.joined(separator: "\n")
  }

  private func lines(_ title: String, _ items: [String]) -> String {
    guard !items.isEmpty else { return "" }
    return "\(title):\n\n" + items.map { "- \($0)\n" }.joined()
  }

  private var definitions: String {
    lines(
      "Metrics, by the id of their definition",
      data.definitions.filter { shown.contains($0.id) }.map(Self.sentence))
  }

  private static func sentence(_ identified: IdentifiedDefinition) -> String {
    let definition = identified.definition
    let direction = definition.higherIsBetter ? "higher is better" : "lower is better"
    let parameters = ParameterText.leaves(definition.protocolParameters).filter { !$0.isEmpty }
    let measure = [definition.unit, direction].filter { !$0.isEmpty } + parameters
    return "`\(identified.id)` \(definition.name), \(definition.scope): "
      + measure.joined(separator: "; ") + "."
  }

  private var inputs: [String] {
    data.inputs.map { input in
      "\(input.role) `\(input.digest)`, read by \(input.stages.joined(separator: ", "))"
    }
  }

  private var facts: [String] {
    SharedFacts(data.rows).values.sorted { $0.key < $1.key }.map { name, value in
      "\(name): \(ParameterText.scalar(value))"
    }
  }

  /// Totals over the runs; zero is stated, since a silent fallback would be one.
  private var counts: [String] {
    let names = Set(data.rows.flatMap(\.counts.keys)).sorted()
    return names.map { name in
      let counts = data.rows.compactMap { $0.counts[name] }
      let affected = counts.filter { $0 != 0 }.count
      let total = DecimalText.grouped(counts.reduce(0, +))
      return "\(name): \(total) in \(affected) of \(counts.count) runs"
    }
  }

  private var remarks: [String] {
    var points: [String: [String]] = [:]
    for row in data.rows {
      let point = row.axes.map(\.label).joined(separator: " / ")
      for remark in Set(row.remarks) { points[remark, default: []].append(point) }
    }
    return points.sorted { $0.key < $1.key }.map { remark, points in
      let distinct = points.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
      return "\(remark) (\(distinct.joined(separator: ", ")))"
    }
  }

  /// How many tests a reader sees: the more there are, the more come out by chance.
  private var comparisons: [String] {
    guard families.contains(where: { !$0.entries.isEmpty }) else { return [] }
    let cells = families.reduce(0) { $0 + $1.entries.count }
    let tests = families.reduce(0) { $0 + $1.familySize }
    let tables = families.count == 1 ? "1 table" : "\(families.count) tables"
    return [
      "this report shows \(cells) comparisons with a baseline, \(tests) distinct tests, in \(tables); "
        + "each table is corrected as a family of its own"
    ]
  }

  private var runs: [String] {
    let programs = Set(data.rows.compactMap(\.program)).sorted().map { "`\($0)`" }
    let commits = Set(data.rows.map(\.commit)).sorted().map { "`\($0)`" }
    let seeds = SeedText.streams(data.rows.map(\.seeds))
    return ["experiment \(data.experiment), spec `\(data.spec)`"]
      + (programs.isEmpty
        ? [] : ["program, SHA-256 of its file: \(programs.joined(separator: ", "))"])
      + (commits.isEmpty
        ? [] : ["commit of the repository that holds the spec: \(commits.joined(separator: ", "))"])
      + (seeds.isEmpty ? [] : ["seeds: \(seeds)"]) + data.machines.map(Self.sentence)
      + ["data: [data/\(data.experiment).json](data/\(data.experiment).json)"]
  }

  private static func sentence(_ machine: Machine) -> String {
    let libraries = machine.libraries.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    let threads = machine.threads == 1 ? "1 thread" : "\(machine.threads) threads"
    return (["times measured on \(machine.cpu), \(threads)"] + libraries).joined(separator: "; ")
  }
}
