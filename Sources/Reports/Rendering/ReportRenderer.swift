import Experiments
import Foundation

/// Turns report data into the files of a report; equal data gives equal bytes.
public struct ReportRenderer: Sendable {
  public let data: ReportData
  public let tables: [TableSpec]
  public let figures: [FigureSpec]

  /// Decodes the tables and figures that `data` describes.
  public init(_ data: ReportData) throws {
    self.data = data
    tables = try TableSpec.decode(data.tables, axes: data.axes)
    figures = try FigureSpec.decode(data.figures, axes: data.axes)
  }

  /// `<experiment>.md`, `tables/<experiment>-<table>.tex` and `.csv`,
  /// `figures/<experiment>-<figure>.svg` and `data/<experiment>.json`.
  public func files() async throws -> [ReportFile] {
    let text = ReportFile(path: "\(data.experiment).md", contents: Data(try markdown().utf8))
    var files = [text]
    for spec in tables { files += exports(of: try ReportTable(spec, data: data)) }
    for figure in figures {
      let script = GnuplotScript(figure: try FigureData(figure, data: data))
      let picture = try await Gnuplot.svg(
        script.text, title: figure.caption ?? figure.name, figure: figure.name)
      files.append(ReportFile(path: path(of: figure), contents: picture))
    }
    for section in analyses { files += try await section.files() }
    files.append(
      ReportFile(path: "data/\(data.experiment).json", contents: try data.encoded()))
    return files
  }

  /// Renders into `folder`.
  ///
  /// - Returns: The files whose content changed.
  public func write(to folder: ReportFolder) async throws -> [String] {
    try folder.write(try await files())
  }

  /// The files of `folder` that differ from what the committed data of `experiment` gives.
  public static func check(_ experiment: String, in folder: ReportFolder) async throws -> [String] {
    let data = try ReportData.read(from: folder.data(of: experiment))
    return folder.drift(of: try await ReportRenderer(data).files())
  }

  /// The report's text: introduction, tables, figures, provenance.
  public func markdown() throws -> String {
    var sections = ["# \(data.experiment)\n", Introduction(data: data).markdown]
    var definitions: Set<String> = []
    var families: [TableTests] = []
    for spec in tables {
      let table = try ReportTable(spec, data: data)
      sections.append(table.markdown)
      definitions.formUnion(table.definitions)
      if let tests = table.tests { families.append(tests) }
    }
    for spec in figures {
      let figure = try FigureData(spec, data: data)
      sections.append(markdown(of: spec, figure))
      definitions.formUnion(figure.definitions)
    }
    sections += analyses.map(\.markdown)
    sections.append(ProvenanceSection(data: data, shown: definitions, families: families).markdown)
    return sections.joined(separator: "\n")
  }

  /// A table for papers and for other programs, and its tests and variances where it has any.
  private func exports(of table: ReportTable) -> [ReportFile] {
    let texts = [
      (".tex", LatexTable(experiment: data.experiment, table: table).text), (".csv", table.csv),
      ("-tests.csv", table.tests.flatMap { $0.entries.isEmpty ? nil : $0.csv }),
      ("-variance.csv", table.variance?.csv),
    ]
    return texts.compactMap { ending, text in
      text.map {
        ReportFile(
          path: "tables/\(data.experiment)-\(table.name)\(ending)", contents: Data($0.utf8))
      }
    }
  }

  private var analyses: [AnalysisSection] {
    (data.analyses ?? []).map { AnalysisSection(experiment: data.experiment, analysis: $0) }
  }

  private func path(of figure: FigureSpec) -> String {
    "figures/\(data.experiment)-\(figure.name).svg"
  }

  private func markdown(of figure: FigureSpec, _ drawn: FigureData) -> String {
    let caption = figure.caption ?? figure.name
    let alternative = caption.filter { !"[]\n".contains($0) }
    let sentences = ["**Figure \(figure.name).**", caption, drawn.legend].compactMap(\.self)
    return "![\(alternative)](\(path(of: figure)))\n\n\(sentences.joined(separator: " "))\n"
  }
}
