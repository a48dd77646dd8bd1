import Experiments

/// What was run, in one paragraph made from the data.
struct Introduction {
  let data: ReportData

  var markdown: String {
    [subject, grid, replicates, missing].compactMap(\.self).joined(separator: " ") + "\n"
  }

  private var subject: String {
    let points = Set(data.rows.map { $0.axes.map(\.label) }).count
    return "\(model) at \(Self.count(points, "point")) in \(Self.count(data.rows.count, "run"))."
  }

  private var model: String {
    let facts = SharedFacts(data.rows)
    let name = (facts.text("model-name") ?? facts.text("model")).map { "**\($0)**" } ?? "One model"
    guard let parameters = facts.number("model-parameters") else { return name }
    return "\(name) (\(Self.parameters(parameters)) parameters)"
  }

  private var grid: String? {
    let axes = data.axes.filter { $0.labels.count > 1 }
    guard !axes.isEmpty else { return nil }
    return "Axes: "
      + axes.map { "\($0.name) (\($0.labels.joined(separator: ", ")))" }.joined(separator: "; ")
      + "."
  }

  private var replicates: String? {
    let design = SeedText.streams(data.rows.map(\.seeds))
    return design.isEmpty ? nil : "Replicates repeat a method over the seeds it reads: \(design)."
  }

  private var missing: String? {
    guard !data.missing.isEmpty else { return nil }
    return "**\(Self.count(data.missing.count, "run")) without a result**; see the footnotes."
  }

  private static func count(_ number: Int, _ noun: String) -> String {
    "\(DecimalText.grouped(number)) \(noun)\(number == 1 ? "" : "s")"
  }

  /// `1.23 M`.
  private static func parameters(_ count: Double) -> String {
    let units = [(1e9, "G"), (1e6, "M"), (1e3, "k")]
    guard let (scale, unit) = units.first(where: { count >= $0.0 }) else {
      return DecimalText.fixed(count, decimals: 0)
    }
    return "\(DecimalText.significant(count / scale, digits: 3)) \(unit)"
  }
}
